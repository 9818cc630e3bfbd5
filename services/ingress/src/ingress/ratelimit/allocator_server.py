"""The allocator's desk: while this ingress is the one, demands come in from one topic and leases go out on another."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from shared.events.topics import Topics
from shared.kafka.log import client_options
from shared.log import get_logger
from shared.ratelimit.messages import Grants, demand_decoder, encode
from shared.ratelimit.quotas import Quotas
from shared.settings import Settings
from shared.tasks import forever, restarted

from ingress.leader import Election, Leader, LeaderTask
from ingress.ratelimit.allocator import Allocator
from ingress.ratelimit.read_count import ReadCount
from shared import metrics

log = get_logger(__name__)

GROUP = "ingress-limits"
SESSION = 6.0
"""Seconds without a sign of life after which another ingress leases: the least that Kafka allows."""
CONFIRM_WITHIN = 10.0


class AllocatorServer(LeaderTask):
    """Runs while the context does; without any quota there is nothing to lease."""

    def __init__(self, settings: Settings, topics: Topics, quotas: Quotas, reads: ReadCount | None = None) -> None:
        self._settings = settings
        self._quotas = quotas
        self._reads = reads
        self._topics = topics
        # The same after a restart, and no two processes have it: they cannot listen on one port.
        member = f"{topics.prefix}ingress-{socket.gethostname()}-{settings.ingress_port}"
        group = topics.group(GROUP)
        place = topics.limits_demand
        election = Election("limits", group, place, metrics.LIMIT_LEADER, SESSION, member, quotas.limited)
        self._leader = Leader(settings, election, partial(forever, self._serve, restarted("limits")))
        self._allocator: Allocator | None = None
        self._woken = asyncio.Event()

    def status(self) -> dict[str, Any]:
        """What /limits shows: whether this process leases, and what each app account may do now."""
        allocator, now = self._allocator, time.monotonic()
        accounts = allocator.accounts if allocator and self._leader.leading else {}
        return {
            "leader": self._leader.leading,
            "accounts": {name: account.status(now) for name, account in sorted(accounts.items())},
        }

    async def _serve(self) -> None:
        """One epoch. Whatever goes wrong ends it, and the next one waits until its leases cannot count any more."""
        options, topics = client_options(self._settings), self._topics
        async with AsyncExitStack() as stack:
            consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False, auto_offset_reset="latest")
            producer = AIOKafkaProducer(**options, acks=1)
            for client in (consumer, producer):
                await client.start()
                stack.push_async_callback(client.stop)
            partition = TopicPartition(topics.limits_demand, 0)
            consumer.assign([partition])
            await consumer.seek_to_end(partition)
            async with asyncio.timeout(CONFIRM_WITHIN):
                announced = await producer.send_and_wait(topics.limits_leases, encode(Grants()), partition=0)
            self._allocator = Allocator(
                announced.offset, time.monotonic(), self._quotas.of, self._settings.call_timeout + 1
            )
            log.info("limits.leasing", epoch=announced.offset)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(consumer, self._allocator))
                tasks.create_task(self._send_leases(producer, self._allocator))
                if self._reads:
                    tasks.create_task(self._reads.keep(self._allocator.accounts))

    async def _receive(self, consumer: Any, allocator: Allocator) -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    try:
                        demand = demand_decoder.decode(record.value or b"")
                    except msgspec.DecodeError as error:
                        log.error("limits.unreadable", offset=record.offset, error=str(error))
                        continue
                    allocator.receive(demand, time.monotonic())
                self._woken.set()

    async def _send_leases(self, producer: Any, allocator: Allocator) -> None:
        while True:
            self._woken.clear()
            if leases := allocator.allot(time.monotonic()):
                async with asyncio.timeout(CONFIRM_WITHIN):
                    await producer.send(self._topics.limits_leases, encode(leases), partition=0)
                self._measure(allocator)
            now = time.monotonic()
            wait = allocator.next_turn(now) - now
            try:
                async with asyncio.timeout(None if wait == float("inf") else max(wait, 0.0)):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def _measure(self, allocator: Allocator) -> None:
        now = time.monotonic()
        for name, account in allocator.accounts.items():
            status = account.status(now)
            metrics.PRESENT_RATE.labels(name).set(status["rate"])
            metrics.PRESENT_CONCURRENCY.labels(name).set(status["concurrency"])
            metrics.QUOTA_USE.labels(name).set(status["last_minute"] / (60 * status["quota"]) if status["quota"] else 0)
