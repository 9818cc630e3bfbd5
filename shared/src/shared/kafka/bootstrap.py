"""No client begins at a Kafka that is still starting itself."""

from __future__ import annotations

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

_bootstrap = AIOKafkaClient.bootstrap


def refuse_no_brokers() -> None:
    """From now on a client's start raises KafkaConnectionError where Kafka names no broker, as where none listens.

    The only broker of a cluster answers so for a moment while it starts. aiokafka (0.14.0) takes that for a start:
    a member of a group then ends its work for good by an AssertionError (`AIOKafkaClient.coordinator_lookup`), and a
    client whose first connection breaks asks nobody ever again (`_metadata_update`).
    """
    AIOKafkaClient.bootstrap = _bootstrap_with_brokers


async def _bootstrap_with_brokers(client: AIOKafkaClient) -> None:
    await _bootstrap(client)
    if not client.cluster.brokers():
        await client.close()
        raise KafkaConnectionError("Kafka names no broker yet: it is still starting")
