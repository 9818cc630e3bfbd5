"""The log of a worker inside the test's own process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from shared.events.envelope import Envelope
from shared.kafka.log import Headers, Place
from shared.runtime.pool import Work
from shared.runtime.records import work_of

from tests.fakes.log import FakeLog
from tests.stack.points import Points, record_label


class Waiting(NamedTuple):
    """A record that is not acknowledged: read again, it has the same place on its topic."""

    topic: str
    offset: int
    key: str
    value: bytes
    headers: dict[str, bytes]
    event: Envelope | None = None
    came_at: float = 0.0

    def work(self) -> Work:
        """What a worker makes of it."""
        place, key = (self.topic, 0), self.key.encode()
        return work_of(place, self.offset, key, self.value, self.headers, lambda: None, self.came_at)


class FoldingLog(FakeLog):
    """A log whose compacted topics are folded as soon as they are written; a point before each record and one after.
    `after` is what somebody else does at once about a record of a topic.
    """

    def __init__(self, points: Points, prefix: str) -> None:
        super().__init__()
        self.folds: dict[str, Any] = {}
        self.after: dict[str, Callable[[bytes], Awaitable[None]]] = {}
        self._points = points
        self._prefix = prefix

    async def append(
        self, topic: str, key: str, value: bytes | None, *, headers: Headers = (), deadline: float | None = None
    ) -> Place:
        after = self._points.begin(record_label(topic.removeprefix(self._prefix), value))
        place = await super().append(topic, key, value, headers=headers, deadline=deadline)
        if fold := self.folds.get(topic):
            fold(place.offset, key, value)
        if value and (act := self.after.get(topic)):
            await act(value)
        self._points.end(after)
        return place
