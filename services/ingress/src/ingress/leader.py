"""Of several ingress processes one polls, and one grants leases: whoever owns the one partition of a topic in a
consumer group made for that.

Kafka gives the partition to another process when this one goes, or has given no sign of life for the session timeout.
Whoever is asked to give it up stops before the group goes on. Two that lead for a moment, after a pause of one of them,
must do no harm: pollers append the same events under the same ids, and of two allocators the newer one counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Gauge
from shared.kafka.log import client_options
from shared.log import get_logger
from shared.settings import Settings
from shared.tasks import Repeated, ended

log = get_logger(__name__)

LEAVE_WITHIN = 2.0
"""Seconds to take leave of the group at a stop; a group that waits for a dead member would hold us longer."""

Lead = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Election:
    """What one process is elected for: `name` in the logs, the group, the topic whose partition decides, the metric.

    `session` is in seconds. With a `member` name a process that was killed and started again leads again at once.
    Nobody leads what is not `wanted`.
    """

    name: str
    group: str
    topic: str
    gauge: Gauge
    session: float
    member: str | None = None
    wanted: bool = True


class Leader(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs `lead` while this process is elected. `lead` must be cancellation-safe and must not return."""

    def __init__(self, settings: Settings, election: Election, lead: Lead) -> None:
        self._settings = settings
        self._election = election
        self._lead = lead
        self._following = Repeated(election.name, self._take_part)
        self._leading: asyncio.Task[None] | None = None
        self._consumer: Any = None

    @property
    def leading(self) -> bool:
        """Whether this process is the one."""
        return self._leading is not None

    async def __aenter__(self) -> Self:
        if self._election.wanted:
            self._following.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._following.stopping = True
        await self._stand_down()
        # By itself, so that it can leave the group; a client that hangs is cancelled.
        await self._following.stop(leave=LEAVE_WITHIN + 1)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Kafka gave us the partition, or did not."""
        if assigned and not self._following.stopping and self._leading is None:
            self._consumer.pause(*assigned)  # the group is all that we are here for; a replica reads the records
            log.info(f"{self._election.name}.leading")
            self._election.gauge.set(1)
            self._leading = asyncio.create_task(self._lead(), name="leading")

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """A rebalance begins: the group waits for our answer, and nothing is polled after that."""
        await self._stand_down()

    async def _stand_down(self) -> None:
        if self._leading:
            task, self._leading = self._leading, None
            self._election.gauge.set(0)
            await ended(task)
            log.info(f"{self._election.name}.stood_down")

    async def _take_part(self) -> None:
        session = int(self._election.session * 1000)
        consumer = self._consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            group_id=self._election.group,
            group_instance_id=self._election.member,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=session,
            heartbeat_interval_ms=max(500, session // 10),
            rebalance_timeout_ms=session,
        )
        try:
            await consumer.start()
            if self._election.topic not in await consumer.topics():
                raise KafkaError(f"the topic {self._election.topic} is not there (yet)")
            consumer.subscribe([self._election.topic], listener=self)
            last = time.monotonic()
            while not self._following.stopping:
                await consumer.getmany(timeout_ms=200)  # raises what went wrong in the group
                now = time.monotonic()
                if now - last > self._election.session / 2:
                    # Another process may be the one by now. Only a new place in the group tells.
                    log.warning(f"{self._election.name}.stood_still", seconds=round(now - last, 1))
                    return
                last = now
        finally:
            await self._stand_down()
            await _left(consumer)


class LeaderTask:
    """A task of the elected process: runs while the context does, if this process is elected."""

    _leader: Leader

    async def __aenter__(self) -> Self:
        await self._leader.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leader.__aexit__(kind, error, trace)


async def _left(consumer: Any) -> None:
    """Leave the group, if that can be done in time: else it notices by itself."""
    try:
        async with asyncio.timeout(LEAVE_WITHIN):
            await consumer.stop()
    except (TimeoutError, KafkaError) as error:
        log.warning("leader.left_without_a_word", reason=repr(error))
