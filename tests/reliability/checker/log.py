"""The topics as an outsider reads them: raw records, JSON values, and how far the workers' group is."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

EVENTS, REPLAY = "customer.events", "customer.replay"
MAPPINGS, RUNS, LETTERS = "tandem.mappings", "tandem.runs", "tandem.dead-letters"
STATES, CONNECTIONS = "tandem.pair-states", "tandem.connections"
GROUP = "customer-sync"
OF_A_RUN = ("id", "state", "event", "event_type", "aggregate", "reason", "problem", "refs", "updated_at", "flow")
LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True)
class Event:
    """One record of an event topic; `value` is the envelope without the vendor's body, None where it is no JSON."""

    key: str
    value: dict[str, Any]
    raw: bytes


class Log:
    """Reads on from where it was. `events` are all of them in the order of each partition; of every other topic the
    newest value of each key is kept, as compaction leaves it. `access` are the arguments of an aiokafka client.
    """

    def __init__(self, access: dict[str, Any], prefix: str) -> None:
        self.events: list[Event] = []
        self._newest: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._access = access
        self._prefix = prefix
        self._consumer: AIOKafkaConsumer
        self._admin: AIOKafkaAdminClient

    async def __aenter__(self) -> Self:
        names = [f"{self._prefix}{name}" for name in (EVENTS, MAPPINGS, RUNS, LETTERS, STATES, CONNECTIONS)]
        self._consumer = AIOKafkaConsumer(
            *names,
            **self._access,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=LARGEST,
        )
        await self._consumer.start()
        self._admin = AIOKafkaAdminClient(**self._access)
        await self._admin.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()
        await self._admin.close()

    def newest(self, topic: str) -> dict[str, dict[str, Any]]:
        """The newest value of each key, as far as it was read."""
        return self._newest[topic]

    async def read_on(self) -> None:
        """Read to the present end of every partition."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(list(self._consumer.assignment()))
        left = set(ends)
        while left := {p for p in left if await self._consumer.position(p) < ends[p]}:
            for partition, batch in (await self._consumer.getmany(*left, timeout_ms=200)).items():
                topic = partition.topic.removeprefix(self._prefix)
                for message in batch:
                    self._take(topic, (message.key or b"").decode(), message.value or b"null")

    def _take(self, topic: str, key: str, raw: bytes) -> None:
        value = json.loads(raw)
        if topic == EVENTS:
            self.events.append(Event(key, {n: v for n, v in value.items() if n != "data"}, raw))
        elif topic == RUNS:
            # A run's steps hold whole customers: tens of thousands of them would fill the memory.
            self._newest[topic][key] = {name: value[name] for name in OF_A_RUN if name in value}
        else:
            self._newest[topic][key] = value

    async def lag(self) -> int:
        """Events that the group has not taken; parked ones wait on topics of their own and are not counted."""
        names = [f"{self._prefix}{name}" for name in (EVENTS, REPLAY)]
        count = len({p for p in self._consumer.assignment() if p.topic == names[0]})
        partitions = [TopicPartition(name, number) for name in names for number in range(count)]
        ends = await self._consumer.end_offsets(partitions)
        taken = await self._admin.list_consumer_group_offsets(f"{self._prefix}{GROUP}", partitions=partitions)
        return sum(ends[p] - max(0, taken[p].offset if p in taken else 0) for p in partitions)

    async def append(self, topic: str, records: list[tuple[bytes, bytes]]) -> None:
        """Write keys and values to a topic, as somebody does who lets events be handled once more."""
        producer = AIOKafkaProducer(**self._access, acks="all", max_request_size=LARGEST)
        await producer.start()
        try:
            for key, value in records:
                await producer.send(f"{self._prefix}{topic}", key=key, value=value)
            await producer.flush()
        finally:
            await producer.stop()
