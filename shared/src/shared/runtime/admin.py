"""Topics are created on start with the right shape; one that stands already in another is reported, not ignored."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.domains import nouns
from shared.errors import Misconfigured, Unavailable
from shared.events.topics import Topic, Topics
from shared.kafka.log import client_options
from shared.settings import Settings

SAFE_REPLICATION = 3
MIN_IN_SYNC = 2
LED_WITHIN, CHECK_EVERY = 30.0, 0.1
"""Seconds for new topics to have leaders, and between two checks."""


@dataclass(frozen=True)
class Mismatch:
    """A topic that is not as it must be, in words that say what to do."""

    topic: str
    what: str

    def __str__(self) -> str:
        return f"topic {self.topic}: {self.what}"


async def ensure_topics(settings: Settings) -> list[Mismatch]:
    """Create what is missing and compare what stands. Returns the mismatches: they are the operator's to mend.

    Raises Unavailable if Kafka does not answer, Misconfigured if the cluster holds fewer copies than is safe.
    """
    wanted = Topics(settings).all(nouns())
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        try:
            replication = _replication(len((await admin.describe_cluster())["brokers"]), settings)
            present = set(await admin.list_topics())
            missing = [t for t in wanted if t.name not in present]
            await _create(admin, missing, replication)
            await _wait_led(admin, [t.name for t in missing])
            return await _compare(admin, [t for t in wanted if t.name in present], replication)
        finally:
            await admin.close()
    except KafkaError as error:
        raise Unavailable(f"Kafka at {settings.bootstrap_servers} does not answer: {error}") from error


def _replication(brokers: int, settings: Settings) -> int:
    """Three copies, unless there is the embedded Kafka only, or the operator accepts fewer."""
    if settings.embedded_kafka or settings.allow_fewer_replicas:
        return min(brokers, SAFE_REPLICATION) if settings.embedded_kafka else 1
    if brokers < SAFE_REPLICATION:
        raise Misconfigured(
            f"Kafka at {settings.bootstrap_servers} has {brokers} broker(s): a record needs {SAFE_REPLICATION} copies "
            "to survive the loss of one. Add brokers, or accept fewer copies by TANDEM_ALLOW_FEWER_REPLICAS=true"
        )
    return SAFE_REPLICATION


def _extra(replication: int) -> dict[str, str]:
    return {"min.insync.replicas": str(MIN_IN_SYNC)} if replication >= SAFE_REPLICATION else {}


async def _create(admin: AIOKafkaAdminClient, topics: list[Topic], replication: int) -> None:
    if not topics:
        return
    new = [NewTopic(t.name, t.partitions, replication, topic_configs=t.config() | _extra(replication)) for t in topics]
    response = await admin.create_topics(new)
    for name, code, *rest in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise Misconfigured(f"Kafka refused to create topic {name}: {rest[0] if rest else error.__name__}")


async def _wait_led(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Until the broker shows topics that were made just now: a worker that starts before then subscribes to none of
    them, and has nothing to do until its client asks again, minutes later. Raises Unavailable.
    """
    deadline = time.monotonic() + LED_WITHIN
    while names and not all(_is_led(topic) for topic in await admin.describe_topics(names)):
        if time.monotonic() > deadline:
            raise Unavailable(f"Kafka made topics and does not show all of them after {LED_WITHIN:.0f} s")
        await asyncio.sleep(CHECK_EVERY)


def _is_led(topic: dict[str, Any]) -> bool:
    partitions = topic["partitions"]
    return not topic["error_code"] and bool(partitions) and all(part["leader"] >= 0 for part in partitions)


async def _compare(admin: AIOKafkaAdminClient, topics: list[Topic], replication: int) -> list[Mismatch]:
    if not topics:
        return []
    found: list[Mismatch] = []
    described = {d["topic"]: d for d in await admin.describe_topics([t.name for t in topics])}
    configs = await _configs(admin, topics)
    for topic in topics:
        partitions = described[topic.name]["partitions"]
        if not partitions:
            continue  # made in this moment by another process: its metadata has not come round yet
        if len(partitions) != topic.partitions:
            found.append(
                Mismatch(
                    topic.name,
                    f"has {len(partitions)} partitions, must have {topic.partitions}: counts never change, set "
                    "TANDEM_TOPIC_PARTITIONS to the present count or start under a new TANDEM_TOPIC_PREFIX",
                )
            )
        copies = min(len(p["replicas"]) for p in partitions)
        if copies < replication:
            found.append(Mismatch(topic.name, f"has {copies} copies, must have {replication}: reassign replicas"))
        for key, value in (topic.config() | _extra(replication)).items():
            if not _same(configs[topic.name].get(key), value):
                found.append(
                    Mismatch(topic.name, f"has {key}={configs[topic.name].get(key)}, must be {value}: alter the topic")
                )
    return found


def _same(present: str | None, wanted: str) -> bool:
    return present is not None and set(present.split(",")) == set(wanted.split(","))


async def _configs(admin: AIOKafkaAdminClient, topics: list[Topic]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, t.name) for t in topics]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for _code, _message, _type, name, entries in response.resources:
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
