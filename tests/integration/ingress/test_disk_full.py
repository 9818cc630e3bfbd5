"""A full disk under the broker: nothing is taken that is not kept, nobody hangs, and all goes on afterwards.

A disk cannot be filled on every machine without being root. The kernel can refuse every further byte to one process,
though, and a broker gets the same from its file system as on a full disk: writing fails, so it takes its log folder
out of service.
"""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console.local.kafka import EmbeddedKafka

from tests.integration.ingress.harness import Harness, event, event_id
from tests.stack.broker import own_broker

PATIENT = 60.0
"""Far above the append's deadline: what takes so long hangs."""


@pytest.fixture
async def broker(kafka_jars: None, tmp_path: Path) -> AsyncIterator[EmbeddedKafka]:
    """A broker of the test's own, whose disk fills up."""
    async with own_broker(tmp_path / "kafka-home") as running:
        yield running


def fill_the_disk(broker: EmbeddedKafka) -> None:
    """From now on the broker cannot write a single byte to any file."""
    assert broker.pid
    _, hard = resource.prlimit(broker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (0, hard))


@pytest.mark.long("the gate has a broker that is dead, paused, or late: test_kafka_away.py")
async def test_503_while_the_brokers_disk_is_full(broker: EmbeddedKafka, tmp_path: Path) -> None:
    """Both vendors get 503 in time; what was answered by 200 is there when the disk has room again."""
    harness = await Harness.open(tmp_path / "harness", broker.bootstrap, TANDEM_APPEND_TIMEOUT="1")
    try:
        before, during, after = [event_id() for _ in range(3)], [event_id() for _ in range(5)], event_id()
        for name in before:
            await harness.taken(event(name))
        fill_the_disk(broker)
        async with harness.client(PATIENT) as http:
            refused = [await harness.stripe(event(name)) for name in during]
            refused.append(await harness.togai(b'{"payload": {"id": "acme"}}'))
            alive = await http.get(harness.url("/healthz"))

        await broker.kill()
        await broker.start()

        await harness.taken(event(after))
        kept = [name for name in (*before, *during, after) if await harness.events(name)]

        assert [(a.status_code, a.json()["error"]["code"]) for a in refused] == [(503, "unavailable")] * 6
        assert alive.status_code == 200
        assert "File too large" in broker.log.read_text()
        assert set(before) | {after} <= set(kept)
    finally:
        await harness.close()
