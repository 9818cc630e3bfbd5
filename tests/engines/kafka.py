"""A Kafka for a test session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from console.local.kafka import BROKER_SETTINGS, EmbeddedKafka
from console.local.ports import free_port
from console.local.probe import require_kafka
from shared.settings import Settings

from tests.engines import access
from tests.engines.access import own_kafka
from tests.engines.docker import KAFKA_IMAGE, engine_answers

PATIENCE = 60.0


@contextmanager
def kafka(home: Path) -> Iterator[str]:
    """The bootstrap address: KAFKA_BOOTSTRAP_SERVERS if set, else a container, else an embedded Kafka in `home`.

    Raises LocalError if the one whose turn it is does not answer: never the next one, never a skip.
    """
    settings = Settings()
    if not settings.embedded_kafka:
        asyncio.run(require_kafka(settings))
        yield settings.bootstrap_servers
    elif engine_answers():
        with in_container() as bootstrap:
            yield bootstrap
    else:
        with embedded(home) as broker:
            yield broker.bootstrap


@contextmanager
def embedded(home: Path) -> Iterator[EmbeddedKafka]:
    """An embedded Kafka on free ports. For sync code; a test that has a loop uses EmbeddedKafka itself."""
    broker = own_kafka(home, free_port(in_a_row=2))
    try:
        asyncio.run(broker.start())
        yield broker
    finally:
        asyncio.run(broker.stop())


def container_environment(listens_on: str, advertised: str, controller: str = "localhost:9093") -> dict[str, str]:
    """The broker's settings as Kafka's own image reads them.

    The voters are named here, unlike in the embedded broker: the image's format step knows no dynamic quorum.
    """
    own = {
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"PLAINTEXT://{listens_on},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{advertised}",
    }
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in {**BROKER_SETTINGS, **own}.items()}


@contextmanager
def in_container() -> Iterator[str]:
    """A container with the embedded broker's settings, on a free port that is the same inside and outside."""
    from testcontainers.core.container import DockerContainer

    port = free_port()
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(port, port)
    bootstrap = f"{container.get_container_host_ip()}:{port}"
    for name, value in container_environment(f"0.0.0.0:{port}", bootstrap).items():
        container.with_env(name, value)
    with container:
        access.in_containers.add(bootstrap)
        asyncio.run(require_kafka(Settings(**access.fields(bootstrap)), PATIENCE))
        yield bootstrap
