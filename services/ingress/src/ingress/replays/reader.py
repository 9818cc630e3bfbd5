"""Parts of a topic, read as an outsider with no part in any group."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from shared.errors import Unavailable
from shared.kafka.log import client_options
from shared.settings import Settings
from shared.tasks import unless_cancelled

PAGE = 200
"""Records of one page."""
PATIENCE = 5_000
"""Milliseconds that a page is waited for."""


class Page(NamedTuple):
    """The values of some records, and the offset after the last one."""

    values: Sequence[bytes | None]
    following: int


class EventReader:
    """Use it as a context manager. Every method raises Unavailable if Kafka does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=PAGE,
            # At a partition's end a fetch waits so long, and what is asked of the next partition waits behind it.
            fetch_max_wait_ms=20,
        )

    async def __aenter__(self) -> Self:
        try:
            await unless_cancelled(self._consumer.start())
        except KafkaError as error:
            await self._consumer.stop()
            raise self._unavailable(error) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def bounds(self, topic: str, since: int, until: int) -> dict[int, tuple[int, int]]:
        """By partition the offsets of what came between two times (epoch milliseconds), the second one exclusive."""
        try:
            places = [TopicPartition(topic, number) for number in range(self._settings.topic_partitions)]
            ends = await self._consumer.end_offsets(places)
            first = await self._consumer.offsets_for_times(dict.fromkeys(places, since))
            last = await self._consumer.offsets_for_times(dict.fromkeys(places, until))
        except KafkaError as error:
            raise self._unavailable(error) from error
        found: dict[int, tuple[int, int]] = {}
        for place in places:
            begin, end = (at[place].offset if at[place] else ends[place] for at in (first, last))
            found[place.partition] = (begin, end)
        return found

    async def read(self, topic: str, partition: int, begin: int, end: int) -> Page:
        """Records from one offset on, before another one. What retention has taken meanwhile is left out."""
        place = TopicPartition(topic, partition)
        try:
            start = max(begin, (await self._consumer.beginning_offsets([place]))[place])
            if start >= end:
                return Page((), end)
            await self._go_to(place, start)
            batch = (await self._consumer.getmany(place, timeout_ms=PATIENCE)).get(place, [])
        except KafkaError as error:
            raise self._unavailable(error) from error
        within = [record for record in batch if record.offset < end]
        if len(within) < len(batch):
            return Page([record.value for record in within], end)
        return Page([record.value for record in within], within[-1].offset + 1 if within else start)

    async def _go_to(self, place: TopicPartition, offset: int) -> None:
        """Where it is there already, what was fetched ahead is kept."""
        if self._consumer.assignment() != {place}:
            self._consumer.assign([place])
        elif await self._consumer.position(place) == offset:
            return
        self._consumer.seek(place, offset)

    def _unavailable(self, error: Exception) -> Unavailable:
        return Unavailable(f"Kafka at {self._settings.bootstrap_servers} does not answer: {error}")
