"""Reading what stands in topics, as an outsider with no part in any group; and removing them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from shared.kafka.log import Place, client_options
from shared.settings import Settings


@asynccontextmanager
async def outsider(settings: Settings, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that knows all partitions of the topics and commits nothing."""
    consumer = AIOKafkaConsumer(
        *topics, **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def place_of(record: Any) -> str:
    """Where a record stands, as runs name it."""
    return str(Place(record.topic, record.partition, record.offset))


async def records(settings: Settings, *topics: str) -> list[Any]:
    """Every record that stands in the topics now, in the order of each partition."""
    found: list[Any] = []
    async with outsider(settings, *topics) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(list(consumer.assignment()))
        left = {partition for partition, end in ends.items() if end}
        while left:
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += batch
            left = {partition for partition in left if await consumer.position(partition) < ends[partition]}
    return found


async def remove(settings: Settings) -> None:
    """Delete every topic under the prefix of a Tandem that has ended.

    Each Kafka client of the run, a test's or a process's, reads the metadata of all topics of the broker when it
    starts: what stays costs every later test.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        own = [name for name in await admin.list_topics() if name.startswith(settings.topic_prefix)]
        if own:
            await admin.delete_topics(own)
    finally:
        await admin.close()
