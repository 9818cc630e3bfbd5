"""The made-up app and domain are registered for the tests of this folder, and gone after them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest
from shared.connections import Connection, FlowLink, Secrets, encode
from shared.events.envelope import timestamp

from tests.contract.sandbox.conftest import control as control
from tests.contract.sandbox.conftest import process as process
from tests.contract.sandbox.tools import Control
from tests.made_up import entries
from tests.made_up.household import TOKEN as TOKEN
from tests.made_up.registration import registered_for_a_while
from tests.made_up.vendor import Book, Vendor, open_vendor
from tests.stack.in_process import CUSTOMERS, InProcess, in_process


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """As a line in each of the three registries would do."""
    with registered_for_a_while():
        yield


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    """The ledger's server."""
    with open_vendor() as running:
        yield running


@pytest.fixture
def book(vendor: Vendor) -> Book:
    """A book of the test's own."""
    return vendor.open_book()


@pytest.fixture
async def tandem(control: Control, vendor: Vendor, book: Book) -> AsyncIterator[InProcess]:
    """A worker of customer-sync and one of entry-sync, connected to a ledger too."""
    services = (*CUSTOMERS, (entries.DOMAIN, entries.IMPLEMENTATIONS))
    async with in_process(control, services=services, default_currency="USD") as made:
        bare = Connection(
            id="ledger",
            app="ledger",
            app_account=f"ledger:test:{book.name}",
            mode="test",
            api_base=vendor.url,
            sealed="",
            changed_at=timestamp(datetime.now(UTC)),
        )
        sealed = made.vault.seal(bare, Secrets(api_key=book.key, webhook_secrets=[TOKEN]))
        await made.log.append(made.topics.connections, sealed.id, encode(sealed))
        for flow in entries.DOMAIN.flows:
            link = FlowLink(id=flow.id, flow=flow.id, connections={"ledger": "ledger", "togai": "togai"})
            await made.log.append(made.topics.flow_links, link.id, encode(link))
        yield made
