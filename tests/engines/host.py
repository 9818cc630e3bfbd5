"""What all processes of a test run share is started once, by the process that outlives the others.

pytest-xdist runs tests in several processes. The first test that needs a Kafka asks the host for it, in the process
that was started first; every later one, in whatever process, gets the same. Without pytest-xdist it is one process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from multiprocessing.connection import Client, Listener
from pathlib import Path
from threading import Thread
from typing import Any

Get = Callable[[str], Any]
Maker = Callable[[Path, Get], AbstractContextManager[Any]]
"""Starts something in a folder, may get other things first, and gives what can be sent to another process."""


class Host:
    """Starts each thing when it is first asked for; `close` ends all of them, the last one first."""

    def __init__(self, makers: Mapping[str, Maker], home: Path) -> None:
        self._makers = makers
        self._home = home
        self._made: dict[str, Any] = {}
        self._listener = Listener(family="AF_UNIX")
        self.address = str(self._listener.address)
        # Children die with the thread that started them: this one lives as long as what it starts.
        self._thread = Thread(target=self._serve, name="host of the engines", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with ExitStack() as running:
            while True:
                with self._listener.accept() as connection:
                    if not (name := connection.recv()):
                        return
                    try:
                        connection.send((self._get(name, running), None))
                    except Exception as error:
                        connection.send((None, f"{type(error).__name__}: {error}"))

    def _get(self, name: str, running: ExitStack) -> Any:
        if name not in self._made:
            folder = self._home / name
            folder.mkdir()
            maker = self._makers[name](folder, lambda other: self._get(other, running))
            self._made[name] = running.enter_context(maker)
        return self._made[name]

    def close(self) -> None:
        """End everything."""
        with Client(self.address) as connection:
            connection.send("")
        self._thread.join()
        self._listener.close()


def ask(address: str, name: str) -> Any:
    """What the host has under a name. Raises RuntimeError with the reason if it could not be started."""
    with Client(address) as connection:
        connection.send(name)
        made, failed = connection.recv()
    if failed:
        raise RuntimeError(f"{name} could not be started: {failed}")
    return made
