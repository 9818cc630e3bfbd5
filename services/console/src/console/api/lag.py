"""How far the services are behind: asked of Kafka, for their consumer groups."""

from __future__ import annotations

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError
from pydantic import Field
from shared.domains import services
from shared.errors import Misconfigured
from shared.events.topics import Topics
from shared.kafka.log import client_options
from shared.model import Model
from shared.settings import Settings
from shared.tasks import unless_cancelled

DEADLINE = 5.0
KEPT = 2.0
"""Seconds for which a count is shown again."""


class GroupLag(Model):
    """Records that a service has not acknowledged yet. The parked ones wait as they should: they are no delay."""

    service: str = Field(examples=["customer-sync"])
    group: str
    live: int | None = Field(description="events not done yet, null if Kafka does not answer")
    replay: int | None
    parked: int | None = Field(description="runs that wait for their next attempt")
    problem: str = Field(description="why the numbers are missing")


class Lag:
    """Asks at most every two seconds, however many pages are open."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = Topics(settings)
        self._asking = asyncio.Lock()
        self._asked = float("-inf")
        self._known: list[GroupLag] = []

    async def get(self) -> list[GroupLag]:
        """Never raises for Kafka: a lag that cannot be had is part of the answer."""
        async with self._asking:
            if time.monotonic() - self._asked > KEPT:
                self._known = await self._ask()
                self._asked = time.monotonic()
            return self._known

    async def _ask(self) -> list[GroupLag]:
        try:
            options = client_options(self._settings)
        except Misconfigured as error:
            return [self._unknown(service, error.message) for service in services()]
        admin, consumer = AIOKafkaAdminClient(**options), AIOKafkaConsumer(**options, enable_auto_commit=False)
        try:
            async with asyncio.timeout(DEADLINE):
                return await unless_cancelled(self._of_all(admin, consumer))
        except (TimeoutError, KafkaError, OSError) as error:
            why = f"Kafka at {self._settings.bootstrap_servers} does not answer: {str(error) or 'no answer in time'}"
            return [self._unknown(service, why) for service in services()]
        finally:
            await consumer.stop()
            await admin.close()

    async def _of_all(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> list[GroupLag]:
        await admin.start()
        await consumer.start()
        return [await self._of(admin, consumer, service, noun) for service, noun in services().items()]

    async def _of(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, service: str, noun: str) -> GroupLag:
        topics, group = self._topics.inputs(noun), self._topics.group(service)
        described = await admin.describe_topics(topics)
        partitions = [TopicPartition(d["topic"], p["partition"]) for d in described for p in d["partitions"]]
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        try:
            committed = await admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:
            # A Kafka that has never seen a group says so: nothing is done yet.
            committed = {}
        behind = dict.fromkeys(topics, 0)
        for partition in partitions:
            done = committed[partition].offset if partition in committed else -1
            behind[partition.topic] += max(0, ends[partition] - max(done, begins[partition]))
        live, replay, *parked = behind.values()
        return GroupLag(service=service, group=group, live=live, replay=replay, parked=sum(parked), problem="")

    def _unknown(self, service: str, why: str) -> GroupLag:
        group = self._topics.group(service)
        return GroupLag(service=service, group=group, live=None, replay=None, parked=None, problem=why)
