"""The durable append and the topics it goes to."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from shared.domains import nouns
from shared.errors import Malformed, Misconfigured, Unavailable
from shared.events.topics import MAX_MESSAGE_BYTES, Topics
from shared.kafka.log import Log, client_options
from shared.runtime.admin import ensure_topics
from shared.runtime.stall_watchdog import StallWatchdog
from shared.settings import Settings

from tests.integration.runtime.conftest import own_settings
from tests.stack.broker import freeze, own_broker, thaw
from tests.stack.topics import records, remove

PATIENCE = 60.0


async def test_an_append_is_in_the_log_when_it_returns(settings: Settings) -> None:
    """Its place is where it stands; key, value and headers are as they were given."""
    topic = Topics(settings).events("customer")
    async with Log(settings) as log:
        places = [await log.append(topic, f"k{n}", b"v%d" % n, headers=[("parked", b"\x00")]) for n in range(10)]
        gone = await log.append(topic, "k0", None)
    found = {(r.topic, r.partition, r.offset): r for r in await records(settings, topic)}

    assert [found[place].key for place in places] == [f"k{n}".encode() for n in range(10)]
    assert [found[place].value for place in places] == [b"v%d" % n for n in range(10)]
    assert all(list(found[place].headers) == [("parked", b"\x00")] for place in places)
    assert found[gone].value is None
    assert found[gone].partition == places[0].partition


async def test_a_silent_broker_hangs_nobody(kafka_jars: None, tmp_path: Path) -> None:
    """The deadline ends every append that waits, and what comes later is taken again."""
    async with own_broker(tmp_path) as broker:
        settings = own_settings(broker.bootstrap, append_timeout=0.5)
        await ensure_topics(settings)
        topic = Topics(settings).mappings
        async with Log(settings) as log:
            await log.append(topic, "before", b"v", deadline=PATIENCE)
            freeze(broker)
            late = (log.append(topic, f"late {n}", b"v", deadline=None if n else 1.0) for n in range(20))
            answers = await asyncio.wait_for(asyncio.gather(*late, return_exceptions=True), PATIENCE)
            thaw(broker)
            place = await log.append(topic, "after", b"v", deadline=PATIENCE)

            assert {type(answer) for answer in answers} == {Unavailable}
            assert place.topic == topic
            keys = [r.key.decode() for r in await records(settings, topic)]
            # What was not confirmed may have arrived, but never twice: the client's own retries double nothing.
            assert len(keys) == len(set(keys))
            assert {"before", "after"} <= set(keys)


async def test_what_was_broken_off_is_waited_for(settings: Settings) -> None:
    """A cancelled append may arrive all the same: after this it is there, or never will be."""
    topic = Topics(settings).runs
    async with Log(settings) as log:
        appending = [asyncio.create_task(log.append(topic, f"k{n}", b"v")) for n in range(20)]
        await asyncio.sleep(0)
        for task in appending:
            task.cancel()
        await asyncio.gather(*appending, return_exceptions=True)
        await log.flush()
        there = len(await records(settings, topic))
        await log.append(topic, "after", b"v")

        assert len(await records(settings, topic)) == there + 1


async def beating(watchdog: StallWatchdog) -> None:
    """A process that lives, however long a new topic's first append takes."""
    while True:
        watchdog.beat()
        await asyncio.sleep(0.05)


async def test_nothing_is_sent_after_a_pause(settings: Settings) -> None:
    """What a worker had ready before it stood still comes too late: another one has its partitions by then, and the
    record would be the last word about a run that has ended.
    """
    topic, stood = Topics(settings).runs, list[float]()

    def end(seconds: float) -> None:
        stood.append(seconds)
        raise KafkaError("a worker ends here")

    watchdog = StallWatchdog(1.0, end)
    async with Log(settings, watchdog.check) as log:
        alive = asyncio.create_task(beating(watchdog))
        await log.append(topic, "before", b"v", deadline=PATIENCE)
        alive.cancel()
        watchdog.beat()
        late = asyncio.create_task(log.append(topic, "late", b"v"))
        await asyncio.sleep(0)
        time.sleep(1.2)  # noqa: ASYNC251  so that the whole process stands still
        with pytest.raises(Unavailable):
            await late

        assert [record.key for record in await records(settings, topic)] == [b"before"]
        assert stood
        assert min(stood) > 1.0


async def test_an_append_to_a_topic_that_is_not_there_is_unavailable(kafka_bootstrap: str) -> None:
    """It may be made any moment: nothing is made by the way, with a shape that nobody chose."""
    settings = own_settings(kafka_bootstrap)
    async with Log(settings) as log:
        with pytest.raises(Unavailable):
            await log.append(Topics(settings).mappings, "k", b"v", deadline=0.5)
    async with admin(settings) as client:
        assert not [t for t in await client.list_topics() if t.startswith(settings.topic_prefix)]


async def test_the_largest_record_fits_and_a_larger_one_is_refused(settings: Settings) -> None:
    """What compresses badly, too. It will not fit later either: trying for ever would stop the worker each time."""
    topic = Topics(settings).mappings
    async with Log(settings) as log:
        largest = bytes(range(256)) * ((MAX_MESSAGE_BYTES - 1024) // 256)
        await log.append(topic, "k", largest)
        with pytest.raises(Malformed, match="too large"):
            await log.append(topic, "k", largest + b"x" * 2048)
        await log.append(topic, "k", b"small")


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_what_the_cluster_compresses_is_read(kafka_bootstrap: str, codec: str) -> None:
    """Many clusters do it for every topic: nobody has to set that back for Tandem."""
    settings = own_settings(kafka_bootstrap)
    [topic] = [topic for topic in Topics(settings).all(nouns()) if topic.name == Topics(settings).mappings]
    compressed = topic.config() | {"compression.type": codec}
    async with admin(settings) as client:
        await client.create_topics([NewTopic(topic.name, topic.partitions, 1, topic_configs=compressed)])
    assert await ensure_topics(settings) == []
    async with Log(settings) as log:
        await log.append(topic.name, "k", b"value " * 100)

    assert [record.value for record in await records(settings, topic.name)] == [b"value " * 100]
    await remove(settings)


class admin:
    """An admin client for a with block."""

    def __init__(self, settings: Settings) -> None:
        self._client = AIOKafkaAdminClient(**client_options(settings))

    async def __aenter__(self) -> Any:
        await self._client.start()
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()


async def shapes(client: Any, names: list[str]) -> dict[str, int]:
    """Partitions by topic, as soon as the broker tells of all: it makes them a moment before."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = {topic["topic"]: len(topic["partitions"]) for topic in await client.describe_topics(names)}
            if all(found.values()):
                return found
            await asyncio.sleep(0.02)


async def test_topics_are_made_with_their_shape_once(settings: Settings) -> None:
    """One partition where order decides, as many as was set elsewhere; a second time nothing is left to do."""
    wanted = Topics(settings).all(nouns())
    async with admin(settings) as client:
        assert await shapes(client, [topic.name for topic in wanted]) == {t.name: t.partitions for t in wanted}
    assert {topic.partitions for topic in wanted} == {1, 3}
    assert await ensure_topics(settings) == []
    assert await ensure_topics(settings) == []


async def test_two_that_make_topics_at_once(kafka_bootstrap: str) -> None:
    """Whoever comes second finds them."""
    settings = own_settings(kafka_bootstrap)
    await asyncio.gather(*(ensure_topics(settings) for _ in range(3)))

    assert await ensure_topics(settings) == []


async def test_a_topic_of_another_shape_is_reported(kafka_bootstrap: str) -> None:
    """By name, with what it has, what it must have and what to do; nothing of it is changed."""
    settings = own_settings(kafka_bootstrap)
    topics = Topics(settings)
    async with admin(settings) as client:
        config = {"cleanup.policy": "delete", "retention.ms": "1000"}
        made = [NewTopic(topics.events("customer"), 5, 1), NewTopic(topics.mappings, 1, 1, topic_configs=config)]
        await client.create_topics(made)
        assert await shapes(client, [topic.name for topic in made]) == {made[0].name: 5, made[1].name: 1}
    reported = [str(mismatch) for mismatch in await ensure_topics(settings)]

    assert reported == [str(mismatch) for mismatch in await ensure_topics(settings)]
    for expected in (
        f"topic {topics.events('customer')}: has 5 partitions, must have 3",
        f"topic {topics.mappings}: has cleanup.policy=delete, must be compact",
        f"topic {topics.mappings}: has retention.ms=1000, must be -1",
    ):
        assert [line for line in reported if line.startswith(expected)], reported
    assert all(topics.events("customer") in line or topics.mappings in line for line in reported)


async def test_too_few_brokers_must_be_accepted(kafka_bootstrap: str) -> None:
    """A Kafka of one's own with one broker loses records with it: only by a setting."""
    settings = own_settings(kafka_bootstrap, allow_fewer_replicas=False)

    with pytest.raises(Misconfigured, match="TANDEM_ALLOW_FEWER_REPLICAS"):
        await ensure_topics(settings)


async def test_no_kafka_is_unavailable() -> None:
    """With the address at which nobody answers."""
    with pytest.raises(Unavailable, match="127.0.0.1:1"):
        await ensure_topics(own_settings("127.0.0.1:1"))
