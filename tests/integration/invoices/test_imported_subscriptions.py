"""Nothing is billed twice: an imported subscription, and Togai's invoices of the plan that follows it."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest
from plan_sync.actions import IMPLEMENTATIONS as PLAN_ACTIONS
from shared.apps.togai.webhooks import togai_event
from shared.domains import subject_of
from shared.domains.plans import DOMAIN as PLANS
from shared.identity import CONSOLE_SOURCE

from tests.contract.sandbox.tools import Control
from tests.integration.invoices.conftest import ACCOUNT, SERVICES, Invoices
from tests.integration.plans.conftest import Plans
from tests.integration.plans.test_subscriptions import Shop
from tests.stack.imports import imported
from tests.stack.in_process import InProcess, in_process


@pytest.fixture
async def tandem(control: Control) -> AsyncIterator[InProcess]:
    """Workers of customers, plans and invoices, with one account in Togai."""
    async with in_process(control, services=(*SERVICES, (PLANS, PLAN_ACTIONS)), default_currency="USD") as made:
        made.account(ACCOUNT)
        await made.drain()
        yield made


@pytest.fixture
def shop(tandem: InProcess) -> Shop:
    return Shop(Plans(tandem))


@pytest.mark.parametrize("billing", ["stripe", "togai"])
async def test_an_invoice_waits_while_stripe_bills(
    billing: str, invoices: Invoices, tandem: InProcess, shop: Shop
) -> None:
    """Whoever is to bill: as long as the subscription runs, Togai's invoice of its plan is not collected."""
    plan, price = await shop.price()
    subscription = shop.started(price)
    await imported(tandem, "subscriptions", subscription, billing=billing)
    await imported(tandem, "subscription-ends", subscription)
    invoice = await invoices.generated("49", price_plan=plan)
    held = invoices.last_run(invoice)
    tandem.call("stripe", "DELETE", f"/v1/subscriptions/{subscription}")
    await tandem.recheck()

    assert (held.state, held.problem and held.problem.code) == ("parked", "subscribed")
    assert invoices.last_run(invoice).state == "succeeded"


async def test_an_invoice_waits_where_a_person_named_the_price(invoices: Invoices, tandem: InProcess) -> None:
    """Tandem made neither product nor price, and the flow that makes them is off."""
    await tandem.link("togai-plan-to-stripe-prices", enabled=False)
    plans = Plans(tandem)
    shop, plan = Shop(plans), plans.plan("Starter")
    product = tandem.call("stripe", "POST", "/v1/products", data={"name": "Starter"})["id"]
    data = {"product": product, "currency": "usd", "unit_amount": "4900", "recurring[interval]": "month"}
    price = tandem.call("stripe", "POST", "/v1/prices", data=data)["id"]
    body = {"change": "link", "rate_card": f"{plan}:Starter", "price_id": price, "reason": "it is this plan's"}
    made = togai_event(
        "rate_card.link_requested",
        json.dumps(body).encode(),
        tandem.registry.connections["togai"],
        event_id=f"req_{secrets.token_hex(8)}",
        now=datetime.now(UTC),
        subject_of=subject_of,
    )
    tandem.deliver(msgspec.structs.replace(made, source=CONSOLE_SOURCE))
    await tandem.drain()
    shop.started(price)
    invoice = await invoices.generated("49", price_plan=plan)
    held = invoices.last_run(invoice)

    assert (held.state, held.problem and held.problem.code) == ("parked", "subscribed")
