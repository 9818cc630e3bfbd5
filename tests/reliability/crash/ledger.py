"""What stands in the topics of one Tandem, read by an outsider to whom records are JSON."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from shared.kafka.log import client_options
from shared.settings import Settings

from tests.stack.points import record_label

TERMINAL = frozenset({"succeeded", "in_sync", "skipped", "superseded", "missed", "dead", "discarded"})
LOG_TOPICS = ("tandem.runs", "tandem.mappings", "tandem.dead-letters", "tandem.pair-states")
INDEX_TOPICS = ("tandem.index", "tandem.polls", "tandem.connections", "tandem.flow-links")
INPUTS = ("customer.events", "customer.replay", "customer.delay.1m", "customer.delay.10m", "customer.delay.1h")


@dataclass(frozen=True)
class Record:
    """One record: its topic without the prefix, and what it says."""

    topic: str
    key: str
    body: dict[str, Any]

    @property
    def label(self) -> str:
        return record_label(self.topic, json.dumps(self.body).encode())


class Ledger:
    """Every record of the topics, as far as it was read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prefix = settings.topic_prefix
        self._stack = AsyncExitStack()
        self._consumer: AIOKafkaConsumer | None = None
        self._admin = AIOKafkaAdminClient(**client_options(settings))
        self.records: list[Record] = []

    async def __aenter__(self) -> Self:
        names = [f"{self._prefix}{name}" for name in (*INPUTS, "other.events", *LOG_TOPICS, *INDEX_TOPICS)]
        # A question waits behind a fetch that waits for news: half a second each time, by default.
        self._consumer = AIOKafkaConsumer(
            *names, **client_options(self._settings), auto_offset_reset="earliest", fetch_max_wait_ms=20
        )
        await self._consumer.start()
        self._stack.push_async_callback(self._consumer.stop)
        await self._admin.start()
        self._stack.push_async_callback(self._admin.close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def read(self) -> None:
        """Read what stands there now."""
        consumer = self._consumer
        assert consumer
        ends: dict[TopicPartition, int] = await consumer.end_offsets(list(consumer.assignment()))
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=100)).values():
                self.records += [self._record(record) for record in batch]

    async def ends(self) -> dict[str, int]:
        """The end of every partition of the inputs, by `topic/partition`."""
        assert self._consumer
        inputs = {f"{self._prefix}{name}" for name in INPUTS}
        mine = [partition for partition in self._consumer.assignment() if partition.topic in inputs]
        return {f"{p.topic}/{p.partition}": end for p, end in (await self._consumer.end_offsets(mine)).items()}

    def _record(self, record: Any) -> Record:
        key = (record.key or b"").decode()
        return Record(record.topic.removeprefix(self._prefix), key, json.loads(record.value or b"{}"))

    async def acknowledged(self, group: str) -> dict[str, int]:
        """How far a group has committed, by `topic/partition`; what it never committed is missing."""
        found = await self._admin.list_consumer_group_offsets(f"{self._prefix}{group}")
        return {f"{p.topic}/{p.partition}": place.offset for p, place in found.items() if place.offset > 0}

    def of(self, topic: str) -> list[Record]:
        """A topic's records, oldest first by partition."""
        return [record for record in self.records if record.topic == topic]

    def newest(self, topic: str) -> dict[str, dict[str, Any]]:
        """The last record of every key."""
        return {record.key: record.body for record in self.of(topic)}

    def event_problems(self) -> list[str]:
        """Every event must have a run in a terminal state, or a recorded skip; and every run must have ended."""
        runs = self.newest("tandem.runs").values()
        ended = {run["event"] for run in runs if run["state"] in TERMINAL}
        events = {record.body["id"]: record.body["type"] for record in self.of("customer.events")}
        lost = [f"event {id_} ({type_}) has no ended run" for id_, type_ in events.items() if id_ not in ended]
        open_ = [
            f"run {run['id']} of {run['event_type']} stays {run['state']}"
            for run in runs
            if run["state"] not in TERMINAL
        ]
        dead = [f"dead letter {key}: {body['problem']}" for key, body in self.newest("tandem.dead-letters").items()]
        return lost + open_ + dead
