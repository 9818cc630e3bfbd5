"""A log in memory that can refuse."""

from __future__ import annotations

from typing import NamedTuple

from shared.errors import Unavailable
from shared.kafka.log import Headers, Log, Place


class Written(NamedTuple):
    """One record."""

    topic: str
    key: str
    value: bytes
    headers: dict[str, bytes]


class FakeLog(Log):
    """Keeps what is appended; a topic in `refusing` is not confirmed, as when Kafka is away."""

    def __init__(self) -> None:
        self.written: list[Written] = []
        self.refusing: set[str] = set()

    async def append(
        self, topic: str, key: str, value: bytes | None, *, headers: Headers = (), deadline: float | None = None
    ) -> Place:
        if topic in self.refusing:
            raise Unavailable(f"Kafka did not confirm a record on {topic}: no answer in time")
        self.written.append(Written(topic, key, value or b"", dict(headers)))
        return Place(topic, 0, len(self.written) - 1)

    def on(self, topic: str) -> list[Written]:
        """What was written to one topic, in order."""
        return [record for record in self.written if record.topic == topic]
