"""One child process: dies with us, leads its own group, and its output goes to a bounded log."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from console.local import with_parent
from console.local.polling import until

LOG_BYTES, LOG_FILES = 5_000_000, 3
LONGEST_LINE = 65_536
GLANCE = 0.05


class Child:
    """A started process.

    Built on Popen and a thread for the output, not on asyncio's subprocesses, so that it outlives the event loop it was
    started in: a test session starts a broker in one loop and kills it in another. Must be started from a thread that
    lives as long as the process should.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: tuple[int, int] | None = None,
    ) -> None:
        guard = [sys.executable, "-I", "-S", with_parent.__file__, str(os.getpid())]
        who = [str(number) for number in user] if user else []
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self.last_lines: deque[str] = deque(maxlen=20)
        self._group_gone = False
        self._process = subprocess.Popen(
            [*guard, *who, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            start_new_session=True,
        )
        assert self._process.stdout
        self._reader = threading.Thread(target=self._copy, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _copy(self, output: IO[bytes]) -> None:
        handler = RotatingFileHandler(self.log, maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8")
        with output:
            while line := output.readline(LONGEST_LINE):
                text = line.decode(errors="replace").rstrip("\n")
                self.last_lines.append(text)
                handler.emit(logging.makeLogRecord({"msg": "%s", "args": (text,)}))
        handler.close()

    def last_words(self) -> list[str]:
        """The last lines of its output. Of one that has ended all of them: the reader gets a moment to come after."""
        if not self.alive:
            self._reader.join(1.0)
        return [*self.last_lines]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_reason(self) -> str:
        """How it ended, in words."""
        code = self._process.poll()
        if code is None:
            return "still runs"
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def ended(self) -> None:
        """Return when the process has ended."""
        await until(self._has_ended, GLANCE)

    async def _has_ended(self) -> bool:
        return not self.alive

    def send(self, signum: int) -> None:
        """Signal the whole group; nothing happens if it is gone (its number may belong to others by then)."""
        if self._group_gone:
            return
        try:
            os.killpg(self.pid, signum)
        except (ProcessLookupError, PermissionError):
            return

    async def stop(self, patience: float) -> None:
        """Ask it to end, insist after `patience` seconds, and return when nothing of its group is left."""
        if self.alive:
            self.send(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ended(), patience)
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL to the whole group, as a power cut for this part. Grandchildren that outlived it go with it."""
        self.send(signal.SIGKILL)
        await self.ended()
        self._group_gone = True
        await asyncio.to_thread(self._reader.join, 1.0)
