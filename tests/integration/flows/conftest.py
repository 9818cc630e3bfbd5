"""Tenants of the Tandem whose pollers look all the time, for what no webhook tells."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.stack.processes import Stack
from tests.stack.tenants import Tenant

POLLED_BY_WEBHOOK = pytest.mark.parametrize("polled", [True], indirect=True, ids=["webhooks"])
BY_WEBHOOK = pytest.mark.parametrize("tenant", [True], indirect=True, ids=["webhooks"])
"""For laws that hold of events wherever they come from: that both ways bring them is held by test_both_ways.py,
test_changes.py and test_many_changes.py.
"""


@pytest.fixture(params=[True, False], ids=["webhooks", "polling-only"])
async def polled(eager: Stack, request: pytest.FixtureRequest) -> AsyncIterator[Tenant]:
    """Accounts of the test's own: everything must work with webhooks, and with none at all."""
    made = await Tenant.make(eager, webhooks=request.param)
    yield made
    await made.leave()


@pytest.fixture(params=[True, False], ids=["webhooks", "polling-only"])
async def tenant(stack: Stack, eager: Stack, request: pytest.FixtureRequest) -> AsyncIterator[Tenant]:
    """The same, for tests that count on rare polls where webhooks come in."""
    made = await Tenant.make(stack if request.param else eager, webhooks=request.param)
    yield made
    await made.leave()


@pytest.fixture
async def called(stack: Stack) -> AsyncIterator[Tenant]:
    """Accounts whose vendors call, for tests of the calls themselves."""
    made = await Tenant.make(stack)
    yield made
    await made.leave()
