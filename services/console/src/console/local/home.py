"""The state folder as the running processes see it: who holds it, and which parts run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from shared.private import private_folder

from console.local.errors import LocalError

GLANCE = 0.5  # somebody else may just look whether the lock is held
UP, KAFKA = "up", "kafka"
PARTS = {UP: "parts.json", KAFKA: "kafka-parts.json"}


@dataclass(frozen=True)
class Holder:
    """The process that runs something on a home: `command` is what a person typed."""

    pid: int
    command: str
    port: int
    since: str


@dataclass(frozen=True)
class RunningPart:
    """One entry of `run/parts.json`: a part that is ready."""

    name: str
    pid: int
    url: str
    since: str
    log: str
    pages: str = ""


def now() -> str:
    """The time as it stands in the state files."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_json(file: Path, content: Any) -> None:
    """Replace the file in one step: a reader sees the old or the new content."""
    new_file = file.with_name(f".{file.name}.{os.getpid()}")
    new_file.write_text(json.dumps(content, indent=1))
    os.replace(new_file, file)


class Home:
    """The folder TANDEM_HOME, made if it is not there.

    Raises LocalError if it cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.logs, self.run = self.folder / "logs", self.folder / "run"
        try:
            private_folder(self.folder)
            for inside in (self.logs, self.run):
                inside.mkdir(exist_ok=True)
        except OSError as error:
            raise LocalError(
                f"Cannot write to {self.folder}: {error}. Set TANDEM_HOME to a folder of yours."
            ) from error

    @contextmanager
    def hold(self, what: str, command: str, port: int) -> Iterator[None]:
        """Be the only one that runs `what` on this home. The lock ends with the process, however that ends.

        Raises LocalError that names the process which already does.
        """
        try:
            lock = FileLock(self.run / f"{what}.lock").acquire(timeout=GLANCE)
        except Timeout:
            other = self._read(what)
            who = f"`{other.command}`, process {other.pid}, since {other.since}" if other else "it is just starting"
            raise LocalError(
                f"{self.folder} is already in use ({who}). Stop that first, or set TANDEM_HOME to another folder and "
                "other ports (TANDEM_KAFKA_PORT, TANDEM_INGRESS_PORT, TANDEM_INGRESS_ADMIN_PORT, TANDEM_CONSOLE_PORT, "
                "TANDEM_SANDBOX_PORT)."
            ) from None
        file = self.run / f"{what}.json"
        with lock:
            self.write_parts(what, [])
            write_json(file, asdict(Holder(os.getpid(), command, port, now())))
            try:
                yield
            finally:
                file.unlink(missing_ok=True)

    def holder(self, what: str) -> Holder | None:
        """Who runs `what` on this home now."""
        lock = FileLock(self.run / f"{what}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return self._read(what)
        lock.release()
        return None

    def _read(self, what: str) -> Holder | None:
        try:
            return Holder(**json.loads((self.run / f"{what}.json").read_text()))
        except (FileNotFoundError, ValueError):
            return None

    def write_parts(self, what: str, parts: Sequence[RunningPart]) -> None:
        """Tell others what runs."""
        write_json(self.run / PARTS[what], [asdict(part) for part in parts])

    def parts(self, what: str = UP) -> list[RunningPart]:
        """What `tandem up` runs on this home now; a file that a killed run left behind counts for nothing."""
        if not self.holder(what):
            return []
        try:
            return [RunningPart(**part) for part in json.loads((self.run / PARTS[what]).read_text())]
        except FileNotFoundError:
            return []
