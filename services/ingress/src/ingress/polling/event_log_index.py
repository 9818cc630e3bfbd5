"""What is in the log already: the ids of events that a poll lists too, read from the event topics and followed.

A poller asks it which events came in by webhook; what an event shows of an entity is offered to the index at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from shared.apps import APPS
from shared.errors import Unavailable
from shared.events.envelope import check_version
from shared.kafka.log import IN_BATCHES, client_options
from shared.linking.index import Entity
from shared.log import get_logger
from shared.polls import epoch
from shared.settings import Settings
from shared.tasks import Repeated

log = get_logger(__name__)

CLOCKS_APART = 3600.0
"""Seconds by which the log is read from earlier than asked: its times are ours, what is asked for is the vendor's."""
PATIENCE = 60.0
"""Seconds for a read to the log's end; the next poll reads on."""

Offer = Callable[[Entity, bool], None]
"""Takes an entity's state from an event, and whether the event was appended just now."""


class _Seen(msgspec.Struct):
    id: str
    type: str
    appaccount: str
    time: str
    data: msgspec.Raw
    refused: str = ""
    schemaversion: str = "1.0"


_decoder = msgspec.json.Decoder(_Seen)


@dataclass
class _Waiter:
    """Somebody waits until what stands in the log now has been read."""

    done: asyncio.Future[None]
    ends: dict[TopicPartition, int] = field(default_factory=dict)


class EventLogIndex:
    """Follows the event topics, every partition, as an outsider of every group.

    An unknown major schema version ends it: `failed` holds the error, and every wait raises it.
    """

    def __init__(self, settings: Settings, topics: Iterable[str], offer: Offer) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._offer = offer
        self._known: dict[str, dict[str, float]] = {}
        self._wanted_since: float | None = None
        self._reading_since: float | None = None
        self._next: dict[TopicPartition, int] = {}
        self._live_from: dict[TopicPartition, int] = {}
        self._waiters: list[_Waiter] = []
        self._wanted = asyncio.Event()
        self._following = Repeated("event_log", self._follow, fatal=True, on_end=self._ended)

    async def __aenter__(self) -> Self:
        self._following.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._following.stop()

    @property
    def failed(self) -> BaseException | None:
        """What ended it, None while it goes on."""
        return self._following.failed

    def require(self, since: float) -> None:
        """Have everything that was appended from `since` (epoch seconds) on; before the first call nothing is read."""
        if self._wanted_since is None or since < self._wanted_since:
            self._wanted_since = since
            self._wanted.set()

    async def caught_up(self) -> None:
        """Wait until everything that stands in the log now has been read. Raises Unavailable if Kafka is away."""
        if self.failed:
            raise self.failed
        waiter = _Waiter(asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(PATIENCE):
                await waiter.done
        except TimeoutError as error:
            raise Unavailable(f"the log was not read to its end within {PATIENCE:.0f} s") from error
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def knows(self, app_account: str, event_id: str) -> bool:
        """Whether an event stands in the log, as far as it was read."""
        return event_id in self._known.get(app_account, ())

    def take_for_known(self, app_account: str, event_id: str, created: float) -> None:
        """An event that cannot be appended, so that it is not found missing again and again."""
        self._known.setdefault(app_account, {})[event_id] = created

    def forget(self, app_account: str, before: float) -> None:
        """Drop the ids of events that happened before a time nobody asks for any more (epoch seconds)."""
        known = self._known.get(app_account, {})
        self._known[app_account] = {name: at for name, at in known.items() if at >= before}

    async def _ended(self) -> None:
        for waiter in self._waiters:
            if not waiter.done.done():
                waiter.done.set_exception(self.failed or Unavailable("the log is not read any more"))

    async def _follow(self) -> None:
        while not self._following.stopping:
            await self._consume()

    async def _consume(self) -> None:
        """Read on until the client fails, or something earlier is asked for."""
        await self._wanted.wait()
        consumer = AIOKafkaConsumer(
            *self._topics,
            **client_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **IN_BATCHES,
        )
        try:
            await consumer.start()
            partitions = sorted(consumer.assignment())
            if missing := set(self._topics) - {partition.topic for partition in partitions}:
                raise KafkaError(f"topics are not there (yet): {', '.join(sorted(missing))}")
            await self._seek(consumer, partitions)
            while not self._following.stopping and self._reading_since == self._wanted_since:
                self._take(await consumer.getmany(timeout_ms=100, max_records=2000))
                await self._fulfil(consumer, partitions)
        finally:
            await consumer.stop()

    async def _seek(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        since = self._wanted_since or 0.0
        if self._reading_since != since:
            at = int(max(0.0, since - CLOCKS_APART) * 1000)
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, at))
            ends = await consumer.end_offsets(partitions)
            self._next = {p: found[p].offset if found.get(p) else ends[p] for p in partitions}
            self._live_from = self._live_from or dict(ends)
            self._reading_since = since
        for partition in partitions:
            consumer.seek(partition, self._next[partition])

    def _take(self, batches: Mapping[TopicPartition, list[Any]]) -> None:
        for partition, records in batches.items():
            for record in records:
                self._read(record.value, live=record.offset >= self._live_from.get(partition, 0))
            self._next[partition] = records[-1].offset + 1

    def _read(self, value: bytes | None, *, live: bool) -> None:
        try:
            seen = _decoder.decode(value or b"")
        except (msgspec.DecodeError, RecursionError):
            return  # no event; the service that reads the topic writes a dead letter
        check_version(seen.schemaversion)
        app = APPS.get(seen.appaccount.partition(":")[0])
        # A refused one is not the account's: it was not received, and shows no state of its entities.
        if seen.refused or app is None or not app.lists_events:
            return
        self._known.setdefault(seen.appaccount, {})[seen.id] = epoch(seen.time)
        if entity := app.entity_of(seen.appaccount, seen.type, seen.data):
            self._offer(entity, live)

    async def _fulfil(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        """Tell those who wait and whose end has been reached, unless something earlier is still to be read."""
        if self._reading_since != self._wanted_since:
            return
        new = [waiter for waiter in self._waiters if not waiter.ends]
        if new:
            ends = await consumer.end_offsets(partitions)
            for waiter in new:
                waiter.ends = ends
        if not self._waiters:
            return
        # By the consumer's position, not by the last record: retention may have removed records before the end.
        at = {partition: await consumer.position(partition) for partition in partitions}
        for waiter in self._waiters:
            if waiter.ends and not waiter.done.done() and all(at[p] >= end for p, end in waiter.ends.items()):
                waiter.done.set_result(None)
