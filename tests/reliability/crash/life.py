"""Lives from the nursery, as `console.local.child.Child` shows a process."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from console.local.child import Child
from console.local.polling import until

LONGEST_ANSWER = 64
GLANCE = 0.02
PATIENCE = 60.0
"""Seconds for the nursery to import everything on a busy machine."""


class Life:
    """One process. It dies with the nursery, and with this object's connection."""

    def __init__(self, connection: socket.socket, log: Path) -> None:
        self._connection = connection
        self.pid = int(connection.recv(LONGEST_ANSWER))
        self._log = log
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
        return "still runs" if self.alive else f"ended with exit code {self.code}"

    @property
    def last_lines(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()[-40:] if self._log.exists() else []

    async def ended(self) -> int:
        """Wait for its end. Returns the exit code, negative for a signal."""
        await until(self._has_ended, GLANCE)
        assert self.code is not None
        return self.code

    async def _has_ended(self) -> bool:
        return not self.alive

    async def kill(self) -> None:
        """SIGKILL to its whole group."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        await self.ended()

    async def stop(self, patience: float) -> None:
        """Ask it to end, insist after `patience` seconds."""
        if self.alive:
            os.kill(self.pid, signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ended(), patience)
        await self.kill()


class Nursery:
    """The process that all lives are forked from. Use `open`, then `close`."""

    def __init__(self, child: Child, socket_path: Path) -> None:
        self._child = child
        self._socket = socket_path

    @classmethod
    async def open(cls, home: Path) -> Nursery:
        """Start it, and wait until its imports are done."""
        # Not in `home`: the path of a socket may have about 100 characters only.
        path = Path(tempfile.gettempdir()) / f"nursery-{secrets.token_hex(6)}"
        command = [sys.executable, "-m", f"{__package__}.nursery", str(path)]
        made = cls(Child(command, home / "nursery.log", env=os.environ), path)
        async with asyncio.timeout(PATIENCE):
            while not path.exists():
                assert made._child.alive, "\n".join(made._child.last_words())
                await asyncio.sleep(GLANCE)
        return made

    def bear(
        self, module: str, name: str, *, env: Mapping[str, str], folder: Path, log: Path, mutation: str = ""
    ) -> Life:
        """A new process that runs a service's module; `folder` holds the plan and the journal of its Tandem."""
        spec = {
            "module": module,
            "name": name,
            "env": dict(env),
            "plan": str(folder / "plan.json"),
            "journal": str(folder / "journal"),
            "log": str(log),
            "mutation": mutation,
        }
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._socket))
        connection.sendall(json.dumps(spec).encode() + b"\n")
        return Life(connection, log)

    async def close(self) -> None:
        """End it; every life ends with its connection."""
        await self._child.kill()
        self._socket.unlink(missing_ok=True)
