"""The made-up domain is registered for the tests of this folder, and gone after them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from shared import domains
from tests.contract.sandbox.conftest import control as control
from tests.contract.sandbox.conftest import process as process
from tests.contract.sandbox.tools import Control
from tests.made_up import orders
from tests.stack.in_process import CUSTOMERS, InProcess, in_process


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """As one line in `shared.domains` would do."""
    domains.register(orders.DOMAIN)
    yield
    domains.unregister(orders.DOMAIN)


@pytest.fixture
async def tandem(control: Control) -> AsyncIterator[InProcess]:
    """A worker of customer-sync and one of order-sync."""
    services = (*CUSTOMERS, (orders.DOMAIN, orders.IMPLEMENTATIONS))
    async with in_process(control, services=services, default_currency="USD") as made:
        yield made
