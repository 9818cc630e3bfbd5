"""A worker's part in its group: it has none at a Kafka that is still starting, and ends where it lost it for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError
from shared.errors import Unavailable
from shared.kafka import bootstrap
from shared.kafka.bootstrap import _bootstrap as aiokafka_bootstrap
from shared.kafka.log import Log, client_options
from shared.runtime.admin import ensure_topics
from shared.runtime.stopping import STOPPED_EXIT

from tests.integration.runtime.conftest import own_settings
from tests.stack.forked import First
from tests.stack.processes import Stack
from tests.stack.starting_broker import StartingBroker, starting_broker
from tests.stack.tenants import Tenant


@pytest.fixture
async def starting(kafka_bootstrap: str) -> AsyncIterator[StartingBroker]:
    """The session's Kafka, as it is while it starts."""
    async with starting_broker(kafka_bootstrap) as made:
        yield made


async def test_no_client_begins_at_a_kafka_that_names_no_broker(
    starting: StartingBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait on a connection of which Kafka knows nothing any more once it has started."""
    monkeypatch.setattr(bootstrap, "PATIENCE", 0.5)
    settings = own_settings(starting.bootstrap)
    with pytest.raises(Unavailable, match="still starting"):
        async with asyncio.timeout(30), Log(settings):
            pass
    consumer = AIOKafkaConsumer(**client_options(settings))
    with pytest.raises(KafkaConnectionError, match="still starting"):
        await asyncio.wait_for(consumer.start(), 30)
    await consumer.stop()

    starting.starting = False
    async with Log(settings):
        pass


async def test_a_client_waits_for_a_kafka_that_is_about_to_name_its_broker(starting: StartingBroker) -> None:
    """A broker that was too busy for its controller is named by nobody for a moment: no reason to give up."""
    opening = asyncio.create_task(Log(own_settings(starting.bootstrap)).__aenter__())
    await starting.was_asked(2)
    starting.starting = False
    log = await asyncio.wait_for(opening, 30)
    await log.__aexit__(None, None, None)


async def test_a_worker_that_starts_beside_a_kafka_that_starts_comes_to_work(
    starting: StartingBroker, kafka_bootstrap: str, tmp_path: Path
) -> None:
    """It waits: a worker that ends in its first start ends the whole of `make up`."""
    stack = await Stack.start(tmp_path, kafka_bootstrap, workers=0)
    try:
        stack.extra["KAFKA_BOOTSTRAP_SERVERS"] = starting.bootstrap
        stack.launch_worker(1)
        await starting.was_asked(2)
        starting.starting = False
        await stack.ready("worker-1")
        tenant = await Tenant.make(stack)
        await tenant.mapping(await tenant.new_customer())
    finally:
        await stack.stop()


class Alone(Stack):
    """A Tandem whose workers have the function `BROKEN` called before they start."""

    def first(self, name: str) -> First:
        return [(f"{__name__}:{self.extra['BROKEN']}", [])]


def _begins_without_brokers() -> None:
    AIOKafkaClient.bootstrap = aiokafka_bootstrap


def _may_not_join() -> None:
    async def refused(*_: Any) -> None:
        raise GroupAuthorizationFailedError

    AIOKafkaClient.coordinator_lookup = refused


@pytest.mark.parametrize("broken", [_begins_without_brokers, _may_not_join])
async def test_a_worker_that_has_no_part_in_the_group_ends(
    starting: StartingBroker, tmp_path: Path, broken: Callable[[], None]
) -> None:
    """aiokafka ends its part, or halts it, by an error that Faust does not ask for: it would read nothing for ever."""
    starting.starting = broken is _begins_without_brokers
    alone = Alone.bare(tmp_path, starting.real, KAFKA_BOOTSTRAP_SERVERS=starting.bootstrap, BROKEN=broken.__name__)
    await ensure_topics(alone.settings(kafka_bootstrap_servers=starting.real))
    alone.launch_worker(1)
    try:
        code = await asyncio.wait_for(alone.children["worker-1"].ended(), 60)
        assert code == STOPPED_EXIT
        assert "takes no part in its group any more" in alone.children["worker-1"].log.read_text()
    finally:
        await alone.children["worker-1"].stop(15)
