"""The log of a worker inside the test's own process."""

from __future__ import annotations

from typing import Any

from shared.kafka.log import Headers, Place

from tests.fakes.log import FakeLog


class Died(BaseException):
    """The process, at a write."""


class FoldingLog(FakeLog):
    """A log whose compacted topics are folded as soon as they are written. Whoever writes dies at the write `dies_at`
    from now, before or `after` it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folds: dict[str, Any] = {}
        self.dies_at = 0
        self.after = False

    async def append(
        self, topic: str, key: str, value: bytes | None, *, headers: Headers = (), deadline: float | None = None
    ) -> Place:
        dies = self.dies_at == 1
        self.dies_at = max(0, self.dies_at - 1)
        if dies and not self.after:
            raise Died
        place = await super().append(topic, key, value, headers=headers, deadline=deadline)
        if fold := self.folds.get(topic):
            fold(place.offset, key, value)
        if dies:
            raise Died
        return place
