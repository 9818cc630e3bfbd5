"""The Kafka consumer under Faust, with what Faust and aiokafka lack for losing nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError
from aiokafka.protocol.group import JoinGroupRequest
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import TP
from faust.types.tuples import Message
from mode import Service

from shared.runtime.stopping import stop_now

CHECK_EVERY = 1.0
"""Seconds between looks at the group."""
LONGEST_FETCH = 100
"""Milliseconds after which Kafka answers a fetch that finds nothing."""


class Fetching(AIOKafkaConsumerThread):
    """Asks Kafka for news at least each `LONGEST_FETCH`.

    A fetch leaves out a partition of which records lie here unread for a tenth of a second, and until it is answered no
    other is sent (`Fetcher._get_actions_per_node`, aiokafka 0.14.0). Faust lets it wait for 1.5 s (0.15.3): in a busy
    process a live event lay in Kafka for so long.
    """

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> AIOKafkaConsumer:
        consumer = super()._create_consumer(loop)
        consumer._fetch_max_wait_ms = LONGEST_FETCH
        return consumer


class AcknowledgedByHand(Consumer):
    """Takes an event for done only if `done` is called, and reads every partition on from the last event done.

    Where Faust has no compiled part, its streams acknowledge by themselves every event that they find in their buffer
    once a rebalance has begun, and skip it: committed with those before it, it would be lost (`Stream._py_aiter`,
    0.15.3).

    A fetch that waits during a rebalance returns records of the new assignment, of partitions that
    Faust has paused too: its set of partitions is empty then, and aiokafka takes an empty one for all of them
    (`Fetcher.fetched_records`, 0.14.0). Faust drops these records, or not, and seeks back, sooner or later; a partition
    that nothing was committed on stays where it is (`AIOKafkaConsumer.seek_to_committed`), and its events are lost. So
    what such a fetch brings is dropped here, positions are set again before the next one, and for every partition.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rebalances = 0
        self._misplaced = False
        self._done: dict[TP, int] = {}
        self.begins: dict[TP, int] = {}
        """The offset at which reading goes on, by partition of the present assignment."""

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return Fetching(self, loop=self.loop, beacon=self.beacon)

    def ack(self, message: Message) -> bool:
        """What Faust's streams call: nothing is acknowledged."""
        return False

    def done(self, message: Message) -> bool:
        """The event was brought to its end, and everything before it on its partition."""
        self._done[message.tp] = message.offset + 1
        return bool(super().ack(message))

    async def commit_done(self) -> None:
        """Commit all that was done on an assignment that ends.

        Faust forgets what it has not committed as the first step of a rebalance (`Consumer.on_partitions_revoked`,
        0.15.3), and its commit does nothing beside one that is under way: what was done would be read again.
        """
        await self.maybe_wait_for_commit_to_finish()
        done, self._done = self._done, {}
        if done and not self.evicted:
            await self._commit_offsets(done)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """What Faust looks at each second: a partition is paused as long as enough of it is in hand, which Faust takes
        for a stream that has stopped, and says so as an error, over and over. Whether work goes on is said by
        `Worker.health`.
        """

    @property
    def evicted(self) -> bool:
        """Whether the group goes on without this member: what is revoked then is others' already, and nothing of it may
        be finished. aiokafka tells it in no other way; it forgets its member id before it revokes.
        """
        coordinator = self._thread._ensure_consumer()._coordinator
        return bool(coordinator.member_id == JoinGroupRequest.UNKNOWN_MEMBER_ID)

    @Service.task
    async def _watch_group(self) -> None:
        """End the process once aiokafka takes no part in the group any more. It keeps the error for whoever asks
        (`GroupCoordinator.check_errors`, 0.14.0); Faust never asks (0.15.3), and would read nothing for ever.
        """
        while not self.should_stop:
            if error := _why_it_left(self._thread._consumer):
                stop_now(f"takes no part in its group any more: {error!r}")
            await self.sleep(CHECK_EVERY)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """A rebalance begins."""
        self._rebalances += 1
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Partitions were given out. Nothing is read before all positions are set: if there was no partition before,
        Faust has not stopped reading.
        """
        self._rebalances += 1
        self.stop_flow()
        await super().on_partitions_assigned(assigned, generation_id)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Set the position of every partition: behind the last event done, or to the first one that there is."""
        committed = dict(await super().seek_to_committed())
        new = [partition for partition, offset in committed.items() if not offset]
        first = dict(await self.earliest_offsets(*new)) if new else {}
        await self.seek_wait(first)
        self.begins = {TP(*partition): offset for partition, offset in (committed | first).items()}
        return committed

    async def _getmany(self, *given: Any, **named: Any) -> Any:
        if self._misplaced:
            self._misplaced = False
            with suppress(IllegalStateError):  # given out once more meanwhile: positions are set after that
                await self.perform_seek()
        rebalances = self._rebalances
        records = await super()._getmany(*given, **named)
        if self._rebalances == rebalances:
            return records
        self._misplaced = bool(records)
        return {}


def _why_it_left(consumer: AIOKafkaConsumer | None) -> BaseException | None:
    """The error by which aiokafka ended or halted its part in a group, None while it takes part, or has not begun."""
    coordinator = consumer and consumer._coordinator
    if not coordinator:
        return None
    routine: asyncio.Task[None] = coordinator._coordination_task
    if routine.done() and not routine.cancelled() and (ended := routine.exception()):
        return ended
    halted: BaseException | None = coordinator._pending_exception
    return halted
