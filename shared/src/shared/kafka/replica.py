"""A replica: compacted topics held in memory, read to their ends before anything is decided, then followed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.errors import NotReady, UnreadableRecord
from shared.kafka.log import client_options
from shared.settings import Settings
from shared.tasks import Repeated

Apply = Callable[[int, str, bytes | None], None]
"""Folds one record: offset, key, value (None for a removed key)."""


class Replica:
    """Follows one-partition topics. `fold` maps a topic to the function that takes its records, in order.

    An error in a fold (an unknown major schema version, say) ends the replica: `failed` tells, and every wait
    raises it. An unreadable record does so too, unless by the end of the first full read a later one of its key can be
    read or removes it: this is how a person mends it.
    """

    def __init__(self, settings: Settings, fold: Mapping[str, Apply]) -> None:
        self._settings = settings
        self._fold = dict(fold)
        self._next: dict[str, int] = dict.fromkeys(fold, 0)
        self._unreadable: dict[tuple[str, str], UnreadableRecord] = {}
        self._moved = asyncio.Condition()
        self._ready = asyncio.Event()
        self._following = Repeated("replica", self._consume, fatal=True, on_end=self._ended)

    async def __aenter__(self) -> Self:
        self._following.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._following.stop()

    @property
    def failed(self) -> BaseException | None:
        """What ended the replica, None while it goes on."""
        return self._following.failed

    @property
    def ready(self) -> bool:
        """Whether everything that stood in the topics at the start has been read."""
        return self._ready.is_set() and self.failed is None

    async def wait_ready(self) -> None:
        """Wait for the first full read. Raises what ended the replica."""
        await self._ready.wait()
        self._raise()

    async def wait_for(self, topic: str, offset: int, deadline: float = 10.0) -> None:
        """Wait until the record at `offset` is folded.

        Raises NotReady after `deadline` seconds: Kafka is slow or away, and the caller's event is tried again.
        """
        try:
            async with asyncio.timeout(deadline), self._moved:
                await self._moved.wait_for(lambda: self._next[topic] > offset or self.failed is not None)
        except TimeoutError as error:
            raise NotReady(f"the replica of {topic} has not reached offset {offset} yet") from error
        self._raise()

    def _raise(self) -> None:
        if self.failed:
            raise self.failed

    async def _ended(self) -> None:
        self._ready.set()
        async with self._moved:
            self._moved.notify_all()

    async def _consume(self) -> None:
        """Read on from where the replica is, until the client fails."""
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )
        try:
            await consumer.start()
            partitions = [TopicPartition(topic, 0) for topic in self._fold]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            for partition in partitions:
                if self._next[partition.topic]:
                    consumer.seek(partition, self._next[partition.topic])
            while not self._following.stopping:
                await self._take(await consumer.getmany(timeout_ms=200, max_records=500))
                if not self._ready.is_set():
                    await self._check_ready(consumer, ends)
        finally:
            await consumer.stop()

    async def _take(self, batches: Mapping[TopicPartition, list[object]]) -> None:
        if not batches:
            return
        for partition, records in batches.items():
            for record in records:
                key = getattr(record, "key", None)
                name = key.decode(errors="replace") if key else ""
                self.fold(partition.topic, record.offset, name, record.value)  # type: ignore[attr-defined]
            self._next[partition.topic] = records[-1].offset + 1  # type: ignore[attr-defined]
        async with self._moved:
            self._moved.notify_all()

    def fold(self, topic: str, offset: int, key: str, value: bytes | None) -> None:
        """Fold the next record of a topic. Raises the fold's error; before the first full read an unreadable record
        may still be replaced.
        """
        try:
            self._fold[topic](offset, key, value)
        except UnreadableRecord as error:
            if self._ready.is_set():
                raise
            self._unreadable[topic, key] = error
        else:
            self._unreadable.pop((topic, key), None)

    def all_read(self) -> None:
        """The first full read has ended. Raises UnreadableRecord if a record of it was not replaced."""
        for error in self._unreadable.values():
            raise error
        self._ready.set()

    async def _check_ready(self, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> None:
        # By the consumer's position, not by the last record: compaction may have removed records before the end.
        at = {p: await consumer.position(p) for p in ends}
        if all(at[p] >= end for p, end in ends.items()):
            for partition, position in at.items():
                self._next[partition.topic] = max(self._next[partition.topic], position)
            self.all_read()
