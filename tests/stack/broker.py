"""A broker of a test's own, to be stopped and killed."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from console.local.kafka import EmbeddedKafka
from console.local.ports import free_port

from tests.engines.access import own_kafka


@asynccontextmanager
async def own_broker(home: Path) -> AsyncIterator[EmbeddedKafka]:
    """Runs, and is gone at the end even if it stands still."""
    running = own_kafka(home, free_port(in_a_row=2))
    await running.start()
    try:
        yield running
    finally:
        if running.pid:
            thaw(running)
        await running.stop()


def freeze(broker: EmbeddedKafka) -> None:
    """It stands still with its connections open: the worst that a broker can do to a client."""
    assert broker.pid
    os.kill(broker.pid, signal.SIGSTOP)


def thaw(broker: EmbeddedKafka) -> None:
    """It goes on."""
    assert broker.pid
    os.kill(broker.pid, signal.SIGCONT)
