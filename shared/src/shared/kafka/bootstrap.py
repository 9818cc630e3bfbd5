"""No client begins at a Kafka that is still starting itself."""

from __future__ import annotations

import asyncio
import time

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

_bootstrap = AIOKafkaClient.bootstrap

PATIENCE = 15.0
"""Seconds that a start waits for a broker to be named: longer than a broker that was too busy to tell its controller
that it lives (9 s, `broker.session.timeout.ms`) takes to be named again.
"""
AGAIN = 0.25
"""Seconds between two questions."""


def refuse_no_brokers() -> None:
    """From now on a client's start waits for a while where Kafka names no broker, then raises KafkaConnectionError, as
    where none listens.

    The only broker of a cluster answers so for a moment while it starts, or while its machine is busy. aiokafka
    (0.14.0) takes that for a start: a member of a group then ends its work for good by an AssertionError
    (`AIOKafkaClient.coordinator_lookup`), and a client whose first connection breaks asks nobody ever again
    (`_metadata_update`).
    """
    AIOKafkaClient.bootstrap = _bootstrap_with_brokers


async def _bootstrap_with_brokers(client: AIOKafkaClient) -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        await _bootstrap(client)
        if client.cluster.brokers():
            return
        # Ask over a new connection: the old one stays without a broker where it breaks.
        await client.close()
        client._conns.clear()
        if time.monotonic() > ends:
            raise KafkaConnectionError("Kafka names no broker yet: it is still starting")
        await asyncio.sleep(AGAIN)
