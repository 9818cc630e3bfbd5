"""Leases for calls, granted from the allocator over two topics: demand goes out, leases come in."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from shared import metrics
from shared.events.topics import Topics
from shared.kafka.log import client_options
from shared.log import get_logger
from shared.ratelimit.concurrency import ConcurrencyLimiter
from shared.ratelimit.lanes import Lane, WorkPriority
from shared.ratelimit.lease_client import Key, Lease, LeaseClient
from shared.ratelimit.messages import Demand, Grants, encode, grants_decoder
from shared.ratelimit.queues import Queues, Waiter
from shared.ratelimit.quotas import Quotas
from shared.settings import Settings
from shared.tasks import Repeated, ended

log = get_logger(__name__)

GATHER = 0.002
"""Seconds in which what is to be sent is gathered into one message."""
SENT_WITHIN = 0.5
"""Seconds after which a message that Kafka did not take is given up: the next one says more."""
NOTHING_NEW = 1.0
"""Seconds after which the loop looks around even if nobody woke it."""


class SharedLimits:
    """One per process. Runs while the context does; without any quota it sends nothing and needs no Kafka."""

    def __init__(self, settings: Settings, topics: Topics, name: str, quotas: Quotas | None = None) -> None:
        self._settings = settings
        self._topics = topics
        self.quotas = quotas or Quotas(settings)
        # A name of this very process: after a restart the former one's leases are not ours.
        self._client = LeaseClient(f"{name}-{secrets.token_hex(4)}", self.quotas.of, settings.fallback_share)
        self.in_flight = ConcurrencyLimiter(settings.calls_in_flight)
        self.in_flight.on_free.append(self._wake)
        self._queues = Queues()
        self._woken = asyncio.Event()
        self._producer: Any = None
        self._sending: asyncio.Task[None] | None = None
        self._sends: set[asyncio.Task[None]] = set()
        self._following = Repeated("leases", self._consume)
        self._serving = Repeated("leases out", self._serve)
        self._measured: set[tuple[str, Lane]] = set()

    async def __aenter__(self) -> Self:
        if self.quotas.limited:
            self._following.start()
            self._serving.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._following.stop()
        await self._serving.stop()
        await ended(*self._sends, self._sending)

    @property
    def on_fallback(self) -> list[str]:
        """The app accounts whose calls go out by the fallback share now."""
        if not self._client.out_of_reach(time.monotonic()):
            return []
        return sorted({key.account for key in self._queues.waiting()})

    @asynccontextmanager
    async def call(self, account: str, operation: str, lane: WorkPriority) -> AsyncIterator[None]:
        """Around one call: wait for a lease and a slot in flight, and report what became of it."""
        what = operation
        if not self.quotas.of(account).operation_rate:
            operation = ""
        since = time.monotonic()
        lease = await self._lease(account, operation, lane)
        while not self._client.begin(lease, time.monotonic()):
            self.in_flight.release()
            lease = await self._lease(account, operation, lane)
        metrics.LEASE_WAIT_SECONDS.labels(lease.key.lane).observe(time.monotonic() - since)
        try:
            yield
        finally:
            self._client.end(lease, time.monotonic(), what)
            self.in_flight.release()
            self._wake()

    def back_off(self, account: str, until: float, operation: str = "") -> None:
        """Nobody in this process calls the account, or its operation, until then (monotonic time)."""
        self._client.back_off(account, until, operation)
        self._wake()

    def refused(self, account: str, operation: str, reason: str, retry_after: float | None) -> None:
        """A 429 that concerns others too: the other workers learn at once of the pause that it demands."""
        operation = operation if self.quotas.of(account).operation_rate else ""
        news = self._client.refused(account, operation, reason, retry_after)
        if news and self._producer:
            sending = asyncio.create_task(self._send(self._topics.limits_leases, news))
            self._sends.add(sending)
            sending.add_done_callback(self._sends.discard)
        self._wake()

    # --- waiting ---

    async def _lease(self, account: str, operation: str, lane: WorkPriority) -> Lease:
        """A lease, with a place in flight taken for it."""
        waiter = Waiter(Key(account, operation, lane.lane), lane.age, asyncio.get_running_loop().create_future())

        def promoted() -> None:
            self._queues.remove(waiter)
            waiter.key = waiter.key._replace(lane=lane.lane)
            self._queue(waiter)

        lane.on_promotion.append(promoted)
        self._queue(waiter)
        try:
            return await waiter.lease
        except asyncio.CancelledError:
            if waiter.lease.done() and not waiter.lease.cancelled():
                self._client.give_back(waiter.lease.result())
                self.in_flight.release()
            raise
        finally:
            lane.on_promotion.remove(promoted)
            self._queues.remove(waiter)

    def _queue(self, waiter: Waiter) -> None:
        if not waiter.lease.done():
            self._queues.add(waiter)
            self._hand_out()
            self._wake()

    def _hand_out(self) -> None:
        """Give the leases at hand to those who wait: live ones first, in a lane the oldest work's."""
        now = time.monotonic()
        for key in self._queues.by_lane():
            while self.in_flight.free > 0 and (waiter := self._queues.first(key)):
                lease = self._client.take(key, now)
                if lease is None:
                    break
                self.in_flight.take()
                self._queues.remove(waiter)
                waiter.lease.set_result(lease)

    def _wake(self) -> None:
        self._woken.set()

    # --- talking ---

    async def _serve(self) -> None:
        """Hand out leases whose time has come, and send what is due."""
        while not self._serving.stopping:
            self._woken.clear()
            self._hand_out()
            waiting = self._queues.waiting()
            now = time.monotonic()
            busy = self._sending is not None and not self._sending.done()
            if not busy and self._producer and (demand := self._client.message(waiting, now)):
                self._sending = asyncio.create_task(self._send(self._topics.limits_demand, demand))
            elif not self._producer:
                self._client.message(
                    waiting, now
                )  # nobody reads it: so the worker learns that the allocator is out of reach
            self._measure(waiting)
            wait = self._client.next_turn(waiting, now) - now
            try:
                async with asyncio.timeout(max(min(wait, NOTHING_NEW), 10 * GATHER if busy else 0.0)):
                    await self._woken.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(GATHER)

    async def _send(self, topic: str, message: Demand | Grants) -> None:
        try:
            async with asyncio.timeout(SENT_WITHIN):
                await self._producer.send(topic, encode(message), partition=0)
        except (TimeoutError, KafkaError) as error:
            log.debug("leases.not_sent", reason=repr(error))

    async def _consume(self) -> None:
        options = client_options(self._settings)
        consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False, auto_offset_reset="latest")
        # Not idempotent and confirmed by the leader only: what is lost is sent again a moment later.
        producer = AIOKafkaProducer(**options, acks=1)
        try:
            await consumer.start()
            await producer.start()
            partition = TopicPartition(self._topics.limits_leases, 0)
            if partition.topic not in await consumer.topics():
                raise KafkaError(f"the topic {partition.topic} is not there (yet)")
            consumer.assign([partition])
            await consumer.seek_to_end(partition)
            self._producer = producer
            self._wake()
            while not self._following.stopping:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    for record in records:
                        self._receive(record)
        finally:
            self._producer = None
            await asyncio.gather(consumer.stop(), producer.stop(), return_exceptions=True)

    def _receive(self, record: Any) -> None:
        try:
            leases = grants_decoder.decode(record.value or b"")
        except msgspec.DecodeError as error:
            log.error("leases.unreadable", offset=record.offset, error=str(error))
            return
        if leases.epoch < 0 and not leases.by:
            leases = msgspec.structs.replace(leases, epoch=record.offset)
        self._client.receive(leases, time.monotonic())
        self._hand_out()
        self._wake()

    def _measure(self, waiting: dict[Key, int]) -> None:
        counts, self._client.counts = self._client.counts, {}
        for (account, lane, what), count in counts.items():
            metrics.LEASES.labels(account, lane, what).inc(count)
        sums = dict.fromkeys(self._measured, 0)
        for key, count in waiting.items():
            place = (key.account, key.lane)
            sums[place] = sums.get(place, 0) + count
        for (account, lane), count in sums.items():
            metrics.WAITING_CALLS.labels(account, lane).set(count)
        self._measured = set(sums)
        fallback = self._client.out_of_reach(time.monotonic())
        metrics.FALLBACK.set(1 if fallback and waiting else 0)
