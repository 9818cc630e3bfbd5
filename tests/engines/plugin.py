"""Session fixtures: `kafka_bootstrap`, `kafka_jars`, `postgres_url`. Each starts when the first test asks for it.

They work while `tandem up` runs on the machine (free ports, a home of their own), and die with pytest. All processes of
a run share them.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from console.local import ports
from console.local.jars import fetch

from tests.engines.host import Get, Host, Maker, ask
from tests.engines.kafka import kafka
from tests.engines.postgres import postgres

HOST = pytest.StashKey[Host]()
HOME = pytest.StashKey[Path]()
HOSTED: dict[str, Maker] = {
    "kafka": lambda home, get: kafka(home),
    "postgres": lambda home, get: postgres(),
}
"""What is shared, by name; other plugins add theirs."""


def pytest_configure(config: pytest.Config) -> None:
    """The first process is the host of what all of them share."""
    if not hasattr(config, "workerinput"):
        config.stash[HOME] = Path(tempfile.mkdtemp(prefix="tandem-engines-"))
        config.stash[HOST] = Host(HOSTED, config.stash[HOME])
    elif count := int(os.environ["PYTEST_XDIST_WORKER_COUNT"]):
        # Each process remembers which ports it gave out, and knows nothing of the others': each has some of its own.
        number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        ports.RANGE = ports.RANGE[number * len(ports.RANGE) // (count + 1) :][: len(ports.RANGE) // (count + 1)]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist where the host is."""
    node.workerinput["host"] = node.config.stash[HOST].address


def pytest_unconfigure(config: pytest.Config) -> None:
    """What is shared ends with the run."""
    if host := config.stash.get(HOST, None):
        host.close()
        shutil.rmtree(config.stash[HOME], ignore_errors=True)


@pytest.fixture(scope="session")
def hosted(request: pytest.FixtureRequest) -> Get:
    """What all processes of the run share, by name."""
    worker = getattr(request.config, "workerinput", None)
    address = worker["host"] if worker else request.config.stash[HOST].address
    return lambda name: ask(address, name)


@pytest.fixture(scope="session")
def kafka_bootstrap(hosted: Get) -> str:
    """The address of a real Kafka. Tests take topic names of their own."""
    return str(hosted("kafka"))


@pytest.fixture(scope="session")
def kafka_jars() -> None:
    """The embedded Kafka's jars are in the cache. A test that starts its own broker asks for this: while a test runs,
    its process reaches this machine only.
    """
    asyncio.run(fetch())


@pytest.fixture(scope="session")
def postgres_url(hosted: Get) -> str:
    """The SQLAlchemy address of a real PostgreSQL database."""
    return str(hosted("postgres"))
