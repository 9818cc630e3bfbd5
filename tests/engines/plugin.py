"""Session fixtures: `kafka_bootstrap`, `kafka_jars`, `postgres_url`. Each starts when the first test asks for it.

They work while `tandem up` runs on the machine (free ports, a home of their own), and die with pytest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from console.local.jars import fetch

from tests.engines.kafka import kafka
from tests.engines.postgres import postgres


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Kafka. Tests take topic names of their own."""
    with kafka(tmp_path_factory.mktemp("kafka-home")) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def kafka_jars() -> None:
    """The embedded Kafka's jars are in the cache. A test that starts its own broker asks for this: while a test runs,
    its process reaches this machine only.
    """
    asyncio.run(fetch())


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The SQLAlchemy address of a real PostgreSQL database."""
    with postgres() as url:
        yield url
