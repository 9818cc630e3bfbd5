"""Fixtures: `stack` and `eager`, one of each for the whole run, and `tenant`, a pair of app accounts for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.engines.host import Get
from tests.engines.plugin import HOSTED
from tests.stack.hosted import attached, maker
from tests.stack.processes import Stack
from tests.stack.tenants import Tenant

# Its pollers fill the index and then hold still: what they find is for tests with pollers of their own.
STILL = {"TANDEM_TOGAI_POLL_INTERVAL": "3600"}
EAGER = {"TANDEM_STRIPE_POLL_INTERVAL": "0.5", "TANDEM_TOGAI_POLL_INTERVAL": "1"}
CHOSEN = {"TANDEM_SYNCED_METADATA": "VATN"}
HOSTED |= {"stack": maker(2, **STILL), "eager": maker(2, **EAGER, **CHOSEN)}


@pytest.fixture(scope="session")
def stack(hosted: Get) -> Stack:
    """A running Tandem with two workers, shared by every test that kills nothing."""
    return attached(hosted("stack"))


@pytest.fixture(scope="session")
def eager(hosted: Get) -> Stack:
    """Two workers, and pollers that look all the time, for what no webhook tells."""
    return attached(hosted("eager"))


@pytest.fixture
async def tenant(stack: Stack) -> AsyncIterator[Tenant]:
    """Accounts of the test's own."""
    made = await Tenant.make(stack)
    yield made
    await made.leave()
