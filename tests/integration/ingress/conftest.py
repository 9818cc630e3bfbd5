"""One ingress for all tests of this folder that stop nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.integration.ingress.harness import Harness


@pytest.fixture(scope="session")
def harness(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """A running ingress with connections of both apps and both modes."""
    opened = asyncio.run(Harness.open(tmp_path_factory.mktemp("ingress"), kafka_bootstrap))
    yield opened
    asyncio.run(opened.close())
