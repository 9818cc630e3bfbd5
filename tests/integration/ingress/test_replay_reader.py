"""Parts of a topic by the times at which its records came, on a real Kafka."""

from __future__ import annotations

import time

import pytest
from ingress.replays.reader import EventReader
from shared.errors import Unavailable
from shared.events.topics import Topics
from shared.kafka.log import Log
from shared.settings import Settings

from tests.integration.runtime.conftest import own_settings
from tests.integration.runtime.conftest import settings as settings


def _now() -> int:
    return int(time.time() * 1000)


async def _append(log: Log, topic: str, *values: bytes) -> None:
    """On one partition, in this order, and in milliseconds of their own."""
    for value in values:
        before = _now()
        await log.append(topic, "one key", value)
        while _now() == before:
            pass


async def _all(reader: EventReader, topic: str, since: int, until: int) -> list[bytes | None]:
    found: list[bytes | None] = []
    for partition, (begin, end) in (await reader.bounds(topic, since, until)).items():
        while begin < end:
            page = await reader.read(topic, partition, begin, end)
            found, begin = [*found, *page.values], page.following
    return found


async def test_what_came_between_two_times_is_read(settings: Settings) -> None:
    """The second one is exclusive; what came before and after is not, and many records take several pages."""
    topic, many = Topics(settings).events("customer"), [b"%d" % n for n in range(450)]
    async with Log(settings) as log, EventReader(settings) as reader:
        await _append(log, topic, b"before")
        since = _now()
        await _append(log, topic, *many)
        until = _now()
        await _append(log, topic, b"after")

        assert await _all(reader, topic, since, until) == many
        assert await _all(reader, topic, 0, _now() + 1000) == [b"before", *many, b"after"]
        assert await _all(reader, topic, until + 60_000, until + 90_000) == []


async def test_a_kafka_that_is_away_is_said() -> None:
    """The replay waits and goes on by itself."""
    nowhere = own_settings("127.0.0.1:1", kafka_security_protocol="PLAINTEXT")

    with pytest.raises(Unavailable, match="does not answer"):
        async with EventReader(nowhere):
            pass
