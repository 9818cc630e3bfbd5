"""Of several ingress processes one polls: whoever owns the one partition of the polls topic in a consumer group.

Kafka gives the partition to another process when this one goes, or has given no sign of life for the session timeout.
Whoever is asked to give it up stops before the group goes on. Two that poll for a moment, after a pause of one of them,
do no harm: both append the same events under the same ids.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from shared.events.topics import Topics
from shared.log import get_logger
from shared.settings import Settings
from shared.streaming.kafka import client_options
from shared.tasks import was_cancelled

from shared import metrics

log = get_logger(__name__)

GROUP = "ingress-pollers"
RESTART_AFTER = 0.5
"""Seconds before the client is made anew after it failed."""
LEAVE_WITHIN = 2.0
"""Seconds to take leave of the group at a stop; a group that waits for a dead member would hold us longer."""

Lead = Callable[[], Coroutine[Any, Any, None]]


class Leader(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs `lead` while this process is the one. `lead` bears to be cancelled at any moment, and ends by that only."""

    def __init__(self, settings: Settings, topics: Topics, lead: Lead) -> None:
        self._settings = settings
        self._topics = topics
        self._lead = lead
        self._task: asyncio.Task[None] | None = None
        self._leading: asyncio.Task[None] | None = None
        self._consumer: Any = None
        self._stopping = False

    @property
    def leading(self) -> bool:
        """Whether this process polls."""
        return self._leading is not None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="pollers")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        await self._stand_down()
        if self._task:
            # By itself, so that it can take its leave; a client that hangs is cancelled.
            await asyncio.wait([self._task], timeout=LEAVE_WITHIN + 1)
        await _ended(self._task)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Kafka gave us the partition, or did not."""
        if assigned and not self._stopping and self._leading is None:
            self._consumer.pause(*assigned)  # the group is all that we are here for; a replica reads the records
            log.info("pollers.leading")
            metrics.POLL_LEADER.set(1)
            self._leading = asyncio.create_task(self._lead(), name="leading")

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """The group is about to be divided anew: it waits for our answer, and nothing is polled after that."""
        await self._stand_down()

    async def _stand_down(self) -> None:
        if self._leading:
            task, self._leading = self._leading, None
            metrics.POLL_LEADER.set(0)
            await _ended(task)
            log.info("pollers.stood_down")

    async def _follow(self) -> None:
        while not self._stopping:
            try:
                await self._take_part()
            except KafkaError as error:
                log.warning("pollers.restarted", reason=repr(error))
            except asyncio.CancelledError:
                if was_cancelled():
                    raise
                log.warning("pollers.restarted", reason="the Kafka client gave up a call")
            except Exception as error:
                log.error("pollers.restarted", reason=repr(error), exc_info=error)
            finally:
                await self._stand_down()
            await asyncio.sleep(RESTART_AFTER)

    async def _take_part(self) -> None:
        session = int(self._settings.session_timeout * 1000)
        consumer = self._consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            group_id=self._topics.group(GROUP),
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=session,
            heartbeat_interval_ms=max(500, session // 10),
            rebalance_timeout_ms=session,
        )
        try:
            await consumer.start()
            if self._topics.polls not in await consumer.topics():
                raise KafkaError(f"the topic {self._topics.polls} is not there (yet)")
            consumer.subscribe([self._topics.polls], listener=self)
            last = time.monotonic()
            while not self._stopping:
                await consumer.getmany(timeout_ms=200)  # raises what went wrong in the group
                now = time.monotonic()
                if now - last > self._settings.session_timeout / 2:
                    # Another process may be the one by now. Only a new place in the group tells.
                    log.warning("pollers.stood_still", seconds=round(now - last, 1))
                    return
                last = now
        finally:
            await self._stand_down()
            await _left(consumer)


async def _left(consumer: Any) -> None:
    """Leave the group, if that can be done in time: else it notices by itself."""
    try:
        async with asyncio.timeout(LEAVE_WITHIN):
            await consumer.stop()
    except (TimeoutError, KafkaError) as error:
        log.warning("pollers.left_without_a_word", reason=repr(error))


async def _ended(task: asyncio.Task[None] | None) -> None:
    """Cancel a task until it has ended: a cancellation can be swallowed inside aiokafka."""
    while task and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)
