"""Processes from the fork server, as `console.local.child.Child` shows a process."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from console.local.child import Child
from console.local.polling import until

LONGEST_ANSWER = 64
LAST_LINES = 40
GLANCE = 0.02
First = Sequence[tuple[str, Sequence[Any]]]
"""What is called in a new process before its module runs: `module:function`, and arguments that JSON can carry."""
PATIENCE = 120.0
"""Seconds for the fork server to import everything on a busy machine."""
COMMAND = 60.0
"""Seconds for a command to end."""


class Forked:
    """One process. It dies with the fork server, and with this object's connection."""

    def __init__(self, connection: socket.socket, log: Path) -> None:
        self._connection = connection
        self.log = log
        self._begin = log.stat().st_size if log.exists() else 0
        self.pid = int(connection.recv(LONGEST_ANSWER))
        self.code: int | None = None
        connection.setblocking(False)

    @property
    def alive(self) -> bool:
        if self.code is None:
            with suppress(BlockingIOError):
                self.code = int(self._connection.recv(LONGEST_ANSWER))
                self._connection.close()
        return self.code is None

    @property
    def exit_reason(self) -> str:
        """How it ended, in words."""
        if self.alive or self.code is None:
            return "still runs"
        killed = self.code < 0
        return f"was killed by {signal.Signals(-self.code).name}" if killed else f"ended with exit code {self.code}"

    @property
    def last_lines(self) -> list[str]:
        """The last lines that it wrote itself: the log may begin with those of an earlier one."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as file:
            file.seek(self._begin)
            return file.read().decode(errors="replace").splitlines()[-LAST_LINES:]

    def send(self, signum: int) -> None:
        """Signal the whole group; nothing happens if it has ended."""
        if not self.alive:
            return
        try:
            os.killpg(self.pid, signum)
        except ProcessLookupError:
            # Just forked: it leads no group yet, or it has ended this moment.
            with suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    async def ended(self) -> int:
        """Wait for its end. Returns the exit code, negative for a signal."""
        await until(self._has_ended, GLANCE)
        assert self.code is not None
        return self.code

    async def _has_ended(self) -> bool:
        return not self.alive

    async def kill(self) -> None:
        """SIGKILL to its whole group."""
        self.send(signal.SIGKILL)
        await self.ended()

    async def stop(self, patience: float) -> None:
        """Ask it to end, insist after `patience` seconds."""
        self.send(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended(), patience)
        await self.kill()


_starter = ThreadPoolExecutor(1, "fork-server")
"""A thread that lives as long as this process: to the kernel a child's parent is the thread that made it, and tests
call from threads that end with their event loop.
"""


@cache
def _fork_server() -> tuple[Child, Path]:
    """This process's own, started at first use; it dies with this process."""
    return _starter.submit(_start).result()


def _start() -> tuple[Child, Path]:
    # The path of a socket may have about 100 characters only: not in a folder of a test.
    path = Path(tempfile.gettempdir()) / f"fork-server-{secrets.token_hex(6)}"
    log = path.with_suffix(".log")
    child = Child([sys.executable, "-m", f"{__package__}.fork_server", str(path)], log, env=os.environ)
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert child.alive, "\n".join(child.last_words())
        assert time.monotonic() < deadline, f"no fork server within {PATIENCE:.0f} s"
        time.sleep(GLANCE)
    return child, path


def fork(
    command: Sequence[str], log: Path, *, env: Mapping[str, str], first: First = (), errors: Path | None = None,
    cwd: Path | None = None,
) -> Forked:  # fmt: skip
    """A new process that runs a module with arguments, as `python -m` does. What it prints goes to `log`."""
    _, path = _fork_server()
    spec = {"command": list(command), "env": dict(env), "log": str(log), "first": list(first)}
    spec |= {"errors": str(errors or log), "cwd": str(cwd or Path.cwd())}
    log.parent.mkdir(parents=True, exist_ok=True)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    connection.sendall(json.dumps(spec).encode() + b"\n")
    return Forked(connection, log)


def run(*command: str, env: Mapping[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a module to its end, and say what it printed. Raises TimeoutError if it does not end."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder) / "out", Path(folder) / "errors"
        process = fork(command, output, env=env, errors=errors, cwd=cwd)
        deadline = time.monotonic() + COMMAND
        while process.alive:
            if time.monotonic() > deadline:
                process.send(signal.SIGKILL)
                raise TimeoutError(f"{command} did not end within {COMMAND:.0f} s")
            time.sleep(GLANCE)
        assert process.code is not None
        return subprocess.CompletedProcess(command, process.code, output.read_text(), errors.read_text())
