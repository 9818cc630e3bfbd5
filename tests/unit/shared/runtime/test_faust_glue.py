"""What Faust is allowed to take for done."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import faust
import pytest
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from shared.domains.customers import DOMAIN
from shared.events.topics import Topics
from shared.runtime.faust_glue import make_app
from shared.settings import Settings

TOPIC = "customer.events"
PARTITION = TP(TOPIC, 0)


class Reading:
    """A Faust app's stream over one topic, fed by hand, without Kafka."""

    def __init__(self, home: Path) -> None:
        settings = Settings(home=home, kafka_bootstrap_servers="127.0.0.1:1")
        self.app = make_app(DOMAIN, settings, Topics(settings))
        self.topic = self.app.topic(TOPIC, key_serializer="raw", value_serializer="raw", value_type=bytes)
        self.app.finalize()
        self.app.topics.acking_topics.add(TOPIC)
        self.app.consumer_generation_id = 1
        self.app.flow_control.resume()
        self.consumer = cast(Any, self.app.consumer)
        self._stream = cast(Any, self.topic.stream())
        self.taken: list[faust.Event] = []

    async def fetched(self, *offsets: int) -> None:
        """The consumer fetched these records: they stand in the stream's buffer."""
        for offset in offsets:
            message = ConsumerMessage(
                TOPIC, 0, offset, 0.0, 0, [], b"key", b"{}", None, 3, 2, PARTITION, generation_id=1
            )
            self._stream.channel.queue.put_nowait(await self.topic.decode(message))

    async def read(self, upto: int) -> None:
        """Let the stream go on until so many events are taken. Raises TimeoutError."""
        async with asyncio.timeout(10):
            async for event in self._stream.noack().events():
                self.taken.append(event)
                if len(self.taken) == upto:
                    return

    async def read_for(self, seconds: float = 0.2) -> None:
        """Let the stream go on for a moment, whatever comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for event in self._stream.noack().events():
                    self.taken.append(event)

    def to_commit(self) -> int | None:
        """The offset that Faust would commit now."""
        offset: int | None = self.consumer._new_offset(PARTITION)
        return offset


@pytest.fixture(params=["compiled", "python"])
def reading(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reading:
    """Where Faust has no compiled part, its streams are other code."""
    if request.param == "python":
        monkeypatch.setattr("faust.streams._CStreamIterator", None)
    return Reading(tmp_path)


async def test_what_is_skipped_at_a_rebalance_is_not_committed(reading: Reading) -> None:
    """Faust skips what it finds in the buffer then, and without its compiled part takes it for done: nobody reads it
    again.
    """
    await reading.fetched(0, 1)
    await reading.read(2)
    for event in reading.taken:
        reading.consumer.done(event.message)
    await reading.fetched(2, 3)

    reading.app.flow_control.suspend()
    await reading.read_for()

    assert [event.message.offset for event in reading.taken] == [0, 1]
    assert reading.to_commit() == 2


async def test_only_what_is_acknowledged_is_committed(reading: Reading) -> None:
    """`noack` streams give events that nobody has acknowledged."""
    await reading.fetched(0, 1)
    await reading.read(2)

    assert reading.to_commit() is None

    reading.consumer.done(reading.taken[0].message)

    assert reading.to_commit() == 1


def test_a_partition_of_which_enough_is_in_hand_is_no_fault(reading: Reading, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing has been read from it for an hour: Faust would call that a stopped stream each second."""
    reading.consumer.verify_event_path(time.monotonic() + 3600, PARTITION)

    assert caplog.records == []


async def test_kafka_answers_a_fetch_soon(tmp_path: Path) -> None:
    """Until it does, nothing is read of a partition that the fetch leaves out, as one that is not empty yet."""
    consumer = Reading(tmp_path).consumer
    loop = asyncio.get_running_loop()
    of_faust = AIOKafkaConsumerThread(consumer, loop=loop, beacon=consumer.beacon)._create_consumer(loop)
    ours = consumer._thread._create_consumer(loop)

    assert (of_faust._fetch_max_wait_ms, ours._fetch_max_wait_ms) == (1500, 100)
