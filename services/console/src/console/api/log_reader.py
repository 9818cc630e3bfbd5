"""Single records of the log, read again by their places."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from shared.errors import Unavailable
from shared.kafka.log import Place, client_options
from shared.settings import Settings
from shared.tasks import unless_cancelled

DEADLINE = 30.0
"""Seconds for the records of one request."""


async def values_at(settings: Settings, places: Collection[Place]) -> dict[Place, bytes]:
    """The value of each record that is still in the log. Raises Unavailable if Kafka does not answer."""
    if not places:
        return {}
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        async with asyncio.timeout(DEADLINE):
            return await unless_cancelled(_read(consumer, places))
    except (TimeoutError, KafkaError) as error:
        raise Unavailable(f"Kafka at {settings.bootstrap_servers} does not answer") from error
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, places: Collection[Place]) -> dict[Place, bytes]:
    await consumer.start()
    asked: dict[TopicPartition, list[Place]] = defaultdict(list)
    for place in sorted(places):
        asked[TopicPartition(place.topic, place.partition)].append(place)
    consumer.assign(list(asked))
    first, ends = await consumer.beginning_offsets(list(asked)), await consumer.end_offsets(list(asked))
    found: dict[Place, bytes] = {}
    for partition, wanted in asked.items():
        for place in wanted:
            if not first[partition] <= place.offset < ends[partition]:
                continue
            consumer.seek(partition, place.offset)
            record = await consumer.getone(partition)
            if record.offset == place.offset and record.value is not None:
                found[place] = record.value
    return found
