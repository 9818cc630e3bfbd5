"""What people do at the vendors, one scenario each; between two acts everything comes to its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.integration.invoices.conftest import OUT
from tests.integration.invoices.test_checkouts import session
from tests.integration.invoices.test_intents import CHARGE
from tests.integration.invoices.test_taxes import TAX
from tests.integration.plans.conftest import ACCOUNT
from tests.reliability.sweep.world import World
from tests.stack.imports import imported

Scenario = Callable[[World], Awaitable[None]]


async def customers(world: World) -> None:
    """One is made at each side, and changed."""
    account, customer = world.tandem.account(), world.tandem.customer(email="ada@globex.test")
    await world.rest()
    world.tandem.call("togai", "PATCH", f"/accounts/{account}", json={"name": "Acme Ltd"})
    world.tandem.change(customer, name="Globex Ltd")
    await world.rest()


async def offer(world: World) -> None:
    """A plan is offered, its link paid, the plan attached, the link closed; a session is asked for before."""
    await with_account(world)
    plan = world.plans.plan(rate="49.5")
    world.plans.offer(plan)
    await world.rest()
    await world.plans.ask_session(plan)
    await world.rest()
    link = world.plans.links()[0]
    world.plans.pay(str(link["id"]))
    await world.rest()


async def new_version(world: World) -> None:
    """Prices of a plan, one of them its product's default, and those of its next version; the offer's link is replaced,
    and the payment of the new one fails. The plan is archived, and with it what is still offered of it.
    """
    await with_account(world)
    plan = world.plans.plan(rate="10")
    await world.plans.tell(plan, "created")
    await world.rest()
    first = next(found["id"] for found in world.plans.prices() if found["recurring"])
    world.tandem.call("stripe", "POST", f"/v1/products/{plan}", data={"default_price": first})
    world.plans.offer(plan)
    await world.rest()
    world.plans.change(plan, rate="12")
    await world.plans.tell(plan)
    world.plans.offer(plan)
    await world.rest()
    link = next(found for found in world.plans.links() if found["active"])
    session = world.plans.pay(str(link["id"]), "unpaid")
    await world.rest()
    world.plans.resolve(session, "async_failed")
    await world.rest()
    world.tandem.call("togai", "DELETE", f"/price_plans/{plan}")
    await world.plans.tell(plan)
    await world.rest()


async def subscription(world: World) -> None:
    """One that was there is imported, and ends when its period does."""
    await with_account(world)
    await world.plans.tell(world.plans.plan(), "created")
    await world.rest()
    price = next(str(found["id"]) for found in world.plans.prices() if found["recurring"])
    found = world.shop.started(price)
    await imported(world.tandem, "subscriptions", found, billing="togai")
    await world.rest()
    await imported(world.tandem, "subscription-ends", found)
    await world.rest()


async def second_api(world: World) -> None:
    """A plan of Togai's second API is offered and paid, and attached by that API."""
    await with_account(world)
    with world.tandem.points.others():
        for flow in ("togai-plan-to-stripe-payment-link", "stripe-checkout-to-togai-plan"):
            await world.tandem.link(flow, api="v2")
    plan = world.plans.plan(api="v2")
    world.plans.offer(plan)
    await world.rest()
    world.plans.pay(str(world.plans.links()[0]["id"]))
    await world.rest()


async def collected(world: World) -> None:
    """An invoice is due, is sent, and is paid in two parts; a part is given back."""
    await with_account(world)
    await due(world, "49.50", "0.01")
    made = world.invoices.stripe()[0]
    for amount in (2000, None):
        world.invoices.pay(made["id"], amount=amount)
        await world.rest()
    world.invoices.refund(made["id"], 500)
    await world.rest()


async def lowered(world: World) -> None:
    """A part of an invoice is paid elsewhere, and the rest in Stripe."""
    await with_account(world)
    invoice = await due(world, "50")
    made = world.invoices.stripe()[0]
    await updated(world, invoice, status="PARTIALLY_PAID", paid="20.01")
    world.invoices.pay(made["id"])
    await world.rest()


async def closed(world: World) -> None:
    """One invoice is void in Togai, another one in Stripe, and a third one is paid there out of band."""
    await with_account(world)
    in_togai = await due(world, "10")
    for amount in ("11", "12"):
        await due(world, amount)
    made = {found["total"]: found["id"] for found in world.invoices.stripe()}
    await updated(world, in_togai, status="VOID")
    world.tandem.call("stripe", "POST", f"/v1/invoices/{made[1100]}/void")
    world.tandem.call("stripe", "POST", f"/v1/invoices/{made[1200]}/pay", data={"paid_out_of_band": "true"})
    await world.rest()


async def charged(world: World) -> None:
    """Payment-intent mode: one invoice is charged at once, and a part is given back; another one is paid days later."""
    await with_account(world)
    with world.tandem.points.others():
        await world.tandem.link(OUT, enabled=False)
        await world.tandem.link(CHARGE)
        world.intents.method()
        await world.rest()
    await due(world, "49.50")
    refund = {"payment_intent": world.intents.all()[0]["id"], "amount": "500"}
    world.tandem.call("stripe", "POST", "/v1/refunds", data=refund)
    await world.rest()
    with world.tandem.points.others():
        world.intents.method("pm_usBankAccount_success")
        await world.rest()
    await due(world, "10.01")
    body = {"account": world.tandem.accounts["stripe"]["id"], "outcome": "succeeded"}
    world.tandem.control.call("POST", f"/stripe/payment_intents/{world.intents.all()[0]['id']}", body)
    await world.rest()


async def at_checkout(world: World) -> None:
    """A session of somebody else's page pays an invoice; the Stripe invoice of the same is closed."""
    await with_account(world)
    invoice = await due(world, "49.50")
    world.plans.resolve(session(world.tandem, 4950, {"togai_invoice_id": invoice}), "paid")
    await world.rest()
    await updated(world, invoice)


async def grouped(world: World) -> None:
    """The invoice of a group is paid by the group's own customer; Togai takes that by the second account."""
    with world.tandem.points.others():
        for account in ("east", "west"):
            world.tandem.account(account)
        await world.rest()
    group = {"name": "All", "email": "all@group.test", "dailyInvoiceConsolidation": False, "address": {"country": "DE"}}
    made = world.tandem.call("togai", "POST", "/invoice_groups", json=group | {"accountIds": ["east", "west"]})
    await due(world, "100", "0.01", account="west", type="COMPOSITE", group=made["id"])
    world.invoices.pay(world.invoices.stripe()[0]["id"])
    await world.rest()


async def taxed(world: World) -> None:
    """Stripe calculates the tax of two drafts: one is billed with it and paid, the other one changes, and is void."""
    await with_account(world)
    with world.tandem.points.others():
        [customer] = world.tandem.customers()
        world.tandem.change(customer["id"], **{"address[country]": "DE", "address[postal_code]": "10115"})
        await world.rest()
        await world.tandem.link(TAX)
        await world.tandem.link(OUT, tax="stripe")
    billed, changed = [await due(world, amount, status="DRAFT") for amount in ("100.05", "20")]
    await updated(world, billed, status="DUE")
    world.invoices.pay(world.invoices.stripe()[0]["id"])
    await world.rest()
    charges = {"items": [{"name": "Setup", "value": "10.50"}]}
    world.tandem.call("togai", "PUT", f"/invoices/{changed}/miscellaneous_charges", json=charges)
    await updated(world, changed)
    await updated(world, changed, status="VOID")


async def due(world: World, *amounts: str, **more: Any) -> str:
    """An invoice that Togai generated, and all that comes of it."""
    invoice = world.invoices.generate(*amounts, **more)
    world.invoices.tell(invoice)
    await world.rest()
    return invoice


async def updated(world: World, invoice: str, **fields: str) -> None:
    """An invoice changes in Togai, and all that comes of it."""
    if fields:
        world.invoices.change(invoice, **fields)
    world.invoices.tell(invoice, "invoice.updated")
    await world.rest()


async def with_account(world: World) -> None:
    """An account of Togai and its customer: what happens to them on the way is the scenario of customers."""
    with world.tandem.points.others():
        world.tandem.account(ACCOUNT)
        await world.rest()


SCENARIOS: Mapping[str, Scenario] = {
    each.__name__: each
    for each in (
        customers,
        offer,
        new_version,
        subscription,
        second_api,
        collected,
        lowered,
        closed,
        charged,
        at_checkout,
        grouped,
        taxed,
    )
}
