"""What a person asked for and a process does page by page, an import say: two records, each with one writer. Pure.

The console writes `<id>/request`, whoever does it writes `<id>/progress`. Both are in one compacted topic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

import msgspec

from shared.events.envelope import SCHEMA_VERSION, check_version

Wanted = Literal["run", "pause", "cancel"]
AskedState = Literal["running", "paused", "cancelled", "listed", "failed"]
ENDED: frozenset[AskedState] = frozenset({"cancelled", "listed", "failed"})
"""States in which nothing more is read."""


class AskedRequest(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, tag_field="record", tag="request"):
    """What a person asked for.

    - `dry_run`: it is judged what each would become, or do, and nothing is written.
    - `wanted`: what is to become of it; a person changes it.
    """

    id: str
    requested_at: str
    dry_run: bool = False
    wanted: Wanted = "run"
    changed_at: str = ""
    schemaversion: str = SCHEMA_VERSION

    @property
    def key(self) -> str:
        return f"{self.id}/request"


class AskedProgress(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, tag_field="record", tag="progress"):
    """How far it is. `written`: events that are in the log; `problem`: why it does not go on just now, or failed."""

    id: str
    state: AskedState = "running"
    written: int = 0
    started_at: str = ""
    updated_at: str = ""
    ended_at: str = ""
    problem: str = ""
    schemaversion: str = SCHEMA_VERSION

    @property
    def key(self) -> str:
        return f"{self.id}/progress"

    @property
    def ended(self) -> bool:
        return self.state in ENDED


R = TypeVar("R", bound=AskedRequest)
P = TypeVar("P", bound=AskedProgress)
Record = TypeVar("Record", bound=AskedRequest | AskedProgress)


def read(decoder: msgspec.json.Decoder[Record], value: bytes) -> Record:
    """A record. Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    found = decoder.decode(value)
    check_version(found.schemaversion)
    return found


class Asked(Generic[R, P]):
    """The newest records of everything that was asked for on one topic. `decode` reads either record."""

    def __init__(self, decode: Callable[[bytes], R | P], request: type[R]) -> None:
        self._decode = decode
        self._request = request
        self.requests: dict[str, R] = {}
        self.progress: dict[str, P] = {}

    def apply(self, _offset: int, _key: str, value: bytes | None) -> None:
        """Fold one record."""
        if value is None:
            return
        found = self._decode(value)
        if isinstance(found, self._request):
            self.requests[found.id] = found
        else:
            self.progress[found.id] = found  # type: ignore[assignment]

    def wanted(self, name: str) -> Wanted:
        """What is to become of one as far as is known; one that nobody asked for is cancelled."""
        found = self.requests.get(name)
        return found.wanted if found else "cancel"

    def open(self) -> list[R]:
        """Those that are to run and have not ended, oldest first."""
        found = [
            request
            for request in self.requests.values()
            if not ((known := self.progress.get(request.id)) and known.ended)
        ]
        return sorted(found, key=lambda request: (request.requested_at, request.id))


class Stops(Generic[R, P]):
    """What is to become of everything that was asked for on one topic, and of the events that it wrote."""

    def __init__(self, decode: Callable[[bytes], R | P], request: type[R]) -> None:
        self._decode = decode
        self._request = request
        self._requests: dict[str, R] = {}
        self._progress: dict[str, P] = {}

    def apply(self, value: bytes) -> R | None:
        """Fold one record. Returns the request of which something else is wanted than before."""
        found = self._decode(value)
        if not isinstance(found, self._request):
            self._progress[found.id] = found  # type: ignore[assignment]
            return None
        before = self.of(found.id)
        self._requests[found.id] = found
        return None if before == found.wanted else found

    def of(self, name: str) -> Wanted | None:
        """What is wanted of one; None if nobody asked for it."""
        found = self._requests.get(name)
        return found.wanted if found else None

    def asked_at(self, name: str) -> str:
        """When one was asked for, or last resumed (RFC 3339); empty if nobody asked for it."""
        found = self._requests.get(name)
        return max(found.requested_at, found.changed_at) if found else ""

    def beside(self, name: str) -> list[R]:
        """The others that are to run and may have come upon what waits of this one, for they wrote events after it was
        asked for; the oldest first, so that none is passed over when that one is stopped, too.
        """
        asked = self._requests.get(name)
        found = [
            other
            for other in self._requests.values()
            if asked and other.id != name and other.wanted == "run" and not other.dry_run
            if self._wrote_after(other.id, asked.requested_at)
        ]
        return sorted(found, key=lambda other: (other.requested_at, other.id))

    def _wrote_after(self, name: str, time: str) -> bool:
        """Whether one may have written an event after a time, or may do so yet."""
        progress = self._progress.get(name)
        return progress is None or not progress.ended_at or (progress.written > 0 and progress.ended_at >= time)

    def drop(self, key: str) -> None:
        """The record of this key is gone."""
        name, _, record = key.partition("/")
        self._requests.pop(name, None) if record == "request" else self._progress.pop(name, None)

    def __len__(self) -> int:
        return len(self._requests)


def ends_as(wanted: Wanted) -> AskedState | None:
    """The state in which it stops, as a person wants it to; None to go on."""
    states: dict[Wanted, AskedState] = {"pause": "paused", "cancel": "cancelled"}
    return states.get(wanted)
