"""Tenants of the Tandem whose pollers look all the time, for what no webhook tells."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.stack.processes import Stack
from tests.stack.tenants import Tenant

NO_WEBHOOKS = pytest.param(
    False,
    id="polling-only",
    marks=pytest.mark.long("both ways by polls alone in test_both_ways.py, and customers/test_dropped_webhooks.py"),
)


@pytest.fixture(params=[pytest.param(True, id="webhooks"), NO_WEBHOOKS])
async def polled(eager: Stack, request: pytest.FixtureRequest) -> AsyncIterator[Tenant]:
    """Accounts of the test's own: everything must work with webhooks, and with none at all."""
    made = await Tenant.make(eager, webhooks=request.param)
    yield made
    await made.leave()


@pytest.fixture(params=[pytest.param(True, id="webhooks"), NO_WEBHOOKS])
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
