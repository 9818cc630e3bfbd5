"""Fixtures: `stack`, one for the session, and `tenant`, a pair of app accounts for one test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.stack.processes import Stack
from tests.stack.tenants import Tenant


@pytest.fixture(scope="session")
def stack(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running Tandem with two workers, shared by every test that kills nothing."""
    # Its pollers fill the index and then hold still: what they find is for tests with pollers of their own.
    still = {"TANDEM_TOGAI_POLL_INTERVAL": "3600"}
    running = asyncio.run(Stack.start(tmp_path_factory.mktemp("stack"), kafka_bootstrap, workers=2, **still))
    yield running
    asyncio.run(running.stop())


@pytest.fixture
async def tenant(stack: Stack) -> AsyncIterator[Tenant]:
    """Accounts of the test's own."""
    made = await Tenant.make(stack)
    yield made
    await made.leave()
