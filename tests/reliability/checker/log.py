"""The topics as an outsider reads them: raw records, JSON values, and how far the workers' group is."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

OTHER = "other.events"
MAPPINGS, RUNS, LETTERS = "tandem.mappings", "tandem.runs", "tandem.dead-letters"
STATES, CONNECTIONS = "tandem.pair-states", "tandem.connections"
OF_A_RUN = ("id", "state", "event", "event_type", "aggregate", "reason", "problem", "refs", "updated_at", "flow")
LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True)
class Event:
    """One record of an event topic; `value` is the envelope without the vendor's body, None where it is no JSON. No
    worker reads what is of no `noun`.
    """

    noun: str
    key: str
    value: dict[str, Any]
    raw: bytes


class Log:
    """Reads on from where it was. `events` are all of them in the order of each partition; of every other topic the
    newest value of each key is kept, as compaction leaves it. `access` are the arguments of an aiokafka client,
    `services` who works on each noun.
    """

    def __init__(self, access: dict[str, Any], prefix: str, services: Mapping[str, str]) -> None:
        self.events: list[Event] = []
        self._newest: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._access = access
        self._prefix = prefix
        self._services = services
        self._consumer: AIOKafkaConsumer
        self._admin: AIOKafkaAdminClient

    async def __aenter__(self) -> Self:
        events = [f"{noun}.events" for noun in self._services]
        names = [f"{self._prefix}{n}" for n in (*events, OTHER, MAPPINGS, RUNS, LETTERS, STATES, CONNECTIONS)]
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
        if topic.endswith(".events"):
            noun = "" if topic == OTHER else topic.partition(".")[0]
            self.events.append(Event(noun, key, {n: v for n, v in value.items() if n != "data"}, raw))
        elif topic == RUNS:
            # A run's steps hold whole customers: tens of thousands of them would fill the memory.
            self._newest[topic][key] = {name: value[name] for name in OF_A_RUN if name in value}
        else:
            self._newest[topic][key] = value

    async def lag(self) -> int:
        """Events that no group has taken; parked ones wait on topics of their own and are not counted."""
        return sum([await self._lag_of(noun, service) for noun, service in self._services.items()])

    async def _lag_of(self, noun: str, service: str) -> int:
        names = [f"{self._prefix}{noun}.{name}" for name in ("events", "replay")]
        count = len({p for p in self._consumer.assignment() if p.topic == names[0]})
        partitions = [TopicPartition(name, number) for name in names for number in range(count)]
        ends = await self._consumer.end_offsets(partitions)
        taken = await self._admin.list_consumer_group_offsets(f"{self._prefix}{service}", partitions=partitions)
        return sum(ends[p] - max(0, taken[p].offset if p in taken else 0) for p in partitions)

    async def replay(self, events: list[Event]) -> None:
        """Let events be handled once more."""
        producer = AIOKafkaProducer(**self._access, acks="all", max_request_size=LARGEST)
        await producer.start()
        try:
            for event in events:
                topic = f"{self._prefix}{event.noun}.replay"
                await producer.send(topic, key=event.key.encode(), value=event.raw)
            await producer.flush()
        finally:
            await producer.stop()
