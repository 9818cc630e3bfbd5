"""What a person asked for and a process does page by page, an import say: two records, each with one writer. Pure.

The console writes `<id>/request`, whoever does it writes `<id>/progress`. Both are in one compacted topic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeVar

Wanted = Literal["run", "pause", "cancel"]
AskedState = Literal["running", "paused", "cancelled", "listed", "failed"]
ENDED: frozenset[AskedState] = frozenset({"cancelled", "listed", "failed"})
"""States in which nothing more is read."""


class _Request(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def requested_at(self) -> str: ...
    @property
    def wanted(self) -> Wanted: ...


class _Progress(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def ended(self) -> bool: ...


R = TypeVar("R", bound=_Request)
P = TypeVar("P", bound=_Progress)


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


def ends_as(wanted: Wanted) -> AskedState | None:
    """The state in which it stops, as a person wants it to; None to go on."""
    states: dict[Wanted, AskedState] = {"pause": "paused", "cancel": "cancelled"}
    return states.get(wanted)
