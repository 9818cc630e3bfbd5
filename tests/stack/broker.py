"""A broker of a test's own, to be stopped and killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from console.local.kafka import EmbeddedKafka
from console.local.ports import free_port

from tests.engines.access import own_kafka

STOPPED_WITHIN = 60.0
"""Seconds; on a busy machine a thread waits for its turn."""


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
    """It stands still with its connections open: the worst that a broker can do to a client.

    The signal goes to one thread, and the others go on until that one has a processor to take it: on a busy machine a
    broker still answered what was sent after it.
    """
    assert broker.pid
    os.kill(broker.pid, signal.SIGSTOP)
    deadline = time.monotonic() + STOPPED_WITHIN
    while not _is_stopped(broker.pid):
        assert time.monotonic() < deadline, "the broker goes on"
        time.sleep(0.001)


def thaw(broker: EmbeddedKafka) -> None:
    """It goes on."""
    assert broker.pid
    os.kill(broker.pid, signal.SIGCONT)


def _is_stopped(pid: int) -> bool:
    """Whether no thread of a process runs: the state follows the name in brackets (proc(5), `stat`)."""
    try:
        stats = [stat.read_text() for stat in Path("/proc", str(pid), "task").glob("*/stat")]
    except OSError:  # a thread has ended meanwhile
        return False
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)
