"""The broker of the crash points and of the mutants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.kafka import kafka


@pytest.fixture(scope="package")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One of their own: a broker that also carries the partitions of every test before them fills its heap, and was
    seen to stall for ten seconds.
    """
    with kafka(tmp_path_factory.mktemp("kafka-of-crashes")) as bootstrap:
        yield bootstrap
