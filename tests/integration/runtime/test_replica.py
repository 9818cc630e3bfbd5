"""The replica: everything before it is ready, everything after in order, and never a guess."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from shared.connections import FlowLink, encode
from shared.errors import NotReady, StopWorker, UnreadableRecord
from shared.events.topics import Topics
from shared.kafka.log import Log
from shared.kafka.replica import Apply, Replica
from shared.runtime.admin import ensure_topics
from shared.runtime.registry import Registry
from shared.settings import Settings

from tests.integration.runtime.conftest import own_settings
from tests.stack.broker import own_broker

PATIENCE = 60.0
Seen = list[tuple[int, str, bytes | None]]


def keeping(seen: Seen) -> Apply:
    """A fold that keeps what it is given."""

    def fold(offset: int, key: str, value: bytes | None) -> None:
        seen.append((offset, key, value))

    return fold


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is asked tells nobody
            await asyncio.sleep(0.02)


async def test_ready_after_a_full_read_and_not_before(settings: Settings) -> None:
    """What stood at the start has been folded, every record once and in order, removed keys too."""
    topic, seen = Topics(settings).mappings, list[tuple[int, str, bytes | None]]()
    async with Log(settings) as log:
        for number in range(1500):
            await log.append(topic, f"k{number}", b"%d" % number)
        await log.append(topic, "k0", None)
        replica = Replica(settings, {topic: keeping(seen)})
        assert not replica.ready
        async with replica:
            assert not replica.ready
            await asyncio.wait_for(replica.wait_ready(), PATIENCE)
            assert replica.ready
            assert seen == [*((n, f"k{n}", b"%d" % n) for n in range(1500)), (1500, "k0", None)]

            place = await log.append(topic, "after", b"x")
            await replica.wait_for(topic, place.offset)
            assert seen[-1] == (1501, "after", b"x")


async def test_an_empty_topic_is_read_at_once(settings: Settings) -> None:
    """There is nothing to wait for; what does not come is NotReady, and can be waited for again."""
    topic, seen = Topics(settings).mappings, list[tuple[int, str, bytes | None]]()
    async with Replica(settings, {topic: keeping(seen)}) as replica, Log(settings) as log:
        await asyncio.wait_for(replica.wait_ready(), PATIENCE)
        with pytest.raises(NotReady):
            await replica.wait_for(topic, 0, deadline=0.2)
        waiting = asyncio.create_task(replica.wait_for(topic, 0, deadline=PATIENCE))
        await log.append(topic, "k", b"v")
        await waiting

    assert seen == [(0, "k", b"v")]


async def test_not_ready_while_a_topic_is_missing(kafka_bootstrap: str) -> None:
    """It begins by itself when the topics stand."""
    settings = own_settings(kafka_bootstrap)
    topics = Topics(settings)
    async with Replica(settings, {topics.mappings: keeping([]), topics.connections: keeping([])}) as replica:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(replica.wait_ready(), 0.5)
        assert not replica.ready

        await ensure_topics(settings)
        await asyncio.wait_for(replica.wait_ready(), PATIENCE)
        assert replica.ready


@pytest.mark.parametrize("before", [True, False])
async def test_another_major_version_ends_it(settings: Settings, before: bool) -> None:
    """Whether it stood there or came later: never ready again, and whoever waits gets the error."""
    topics, registry = Topics(settings), Registry()
    newer = encode(FlowLink(id="l", flow="f", connections={"stripe": "c"}, schemaversion="2.0"))
    good = encode(FlowLink(id="good", flow="f", connections={"stripe": "c"}, schemaversion="1.9"))
    async with Log(settings) as log:
        await log.append(topics.flow_links, "good", good)
        if before:
            await log.append(topics.flow_links, "l", newer)
        async with Replica(settings, registry.folds(topics)) as replica:
            if not before:
                await asyncio.wait_for(replica.wait_ready(), PATIENCE)
                waiting = asyncio.create_task(replica.wait_for(topics.flow_links, 1, deadline=PATIENCE))
                await log.append(topics.flow_links, "l", newer)
                with pytest.raises(StopWorker, match="schema version 2.0"):
                    await waiting
            with pytest.raises(StopWorker, match="schema version 2.0"):
                await asyncio.wait_for(replica.wait_ready(), PATIENCE)
            with pytest.raises(StopWorker):
                await replica.wait_for(topics.mappings, 0)

            assert not replica.ready
            assert isinstance(replica.failed, StopWorker)
            assert list(registry.links) == ["good"]


async def test_an_unreadable_record_ends_it_until_it_is_mended(settings: Settings) -> None:
    """Whoever follows ends at once, whoever starts does not begin; a readable record under the same key ends that."""
    topics = Topics(settings)
    async with Log(settings) as log:
        async with Replica(settings, Registry().folds(topics)) as replica:
            await asyncio.wait_for(replica.wait_ready(), PATIENCE)
            place = await log.append(topics.mappings, "m", b"{")
            with pytest.raises(UnreadableRecord, match=r"mappings, offset 0: record m"):
                await replica.wait_for(topics.mappings, place.offset, deadline=PATIENCE)
            assert not replica.ready

        async with Replica(settings, Registry().folds(topics)) as replica:
            with pytest.raises(UnreadableRecord):
                await asyncio.wait_for(replica.wait_ready(), PATIENCE)

        await log.append(topics.mappings, "m", None)
        async with Replica(settings, Registry().folds(topics)) as replica:
            await asyncio.wait_for(replica.wait_ready(), PATIENCE)
            assert replica.ready


async def test_it_survives_the_brokers_death(kafka_jars: None, tmp_path: Path) -> None:
    """kill -9 and a new start: it goes on where it was, every record once."""
    async with own_broker(tmp_path) as broker:
        settings, seen = own_settings(broker.bootstrap), list[tuple[int, str, bytes | None]]()
        await ensure_topics(settings)
        topic = Topics(settings).mappings
        async with Log(settings) as log, Replica(settings, {topic: keeping(seen)}) as replica:
            await asyncio.wait_for(replica.wait_ready(), PATIENCE)
            for number in range(3):
                await log.append(topic, f"k{number}", b"v")
            await replica.wait_for(topic, 2)
            for death in range(2):
                await broker.kill()
                waiting = asyncio.create_task(replica.wait_for(topic, 3 + death, deadline=PATIENCE))
                await broker.start()
                await log.append(topic, f"after {death}", b"v", deadline=PATIENCE)
                await waiting

            assert replica.ready
            assert [(offset, key) for offset, key, _ in seen] == [
                *((n, f"k{n}") for n in range(3)),
                (3, "after 0"),
                (4, "after 1"),
            ]
