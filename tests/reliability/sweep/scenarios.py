"""What people do at the vendors, one scenario each; between two acts everything comes to its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

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
    [link] = world.plans.links()
    world.plans.pay(str(link["id"]))
    await world.rest()


async def new_version(world: World) -> None:
    """Prices of a plan, and those of its next version; the offer's link is replaced, and the payment of one fails."""
    await with_account(world)
    plan = world.plans.plan(rate="10")
    await world.plans.tell(plan, "created")
    world.plans.offer(plan)
    await world.rest()
    world.plans.change(plan, rate="12")
    await world.plans.tell(plan)
    world.plans.offer(plan)
    await world.rest()
    [link] = [found for found in world.plans.links() if found["active"]]
    session = world.plans.pay(str(link["id"]), "unpaid")
    await world.rest()
    world.plans.resolve(session, "async_failed")
    await world.rest()


async def subscription(world: World) -> None:
    """One that was there is imported, and ends when its period does."""
    await with_account(world)
    await world.plans.tell(world.plans.plan(), "created")
    await world.rest()
    [price] = [str(found["id"]) for found in world.plans.prices() if found["recurring"]]
    found = world.shop.started(price)
    await imported(world.tandem, "subscriptions", found, billing="togai")
    await world.rest()
    await imported(world.tandem, "subscription-ends", found)
    await world.rest()


async def collected(world: World) -> None:
    """An invoice is due, is sent, and is paid in two parts; a part is given back."""
    await with_account(world)
    invoice = world.invoices.generate("49.50", "0.01")
    world.invoices.tell(invoice)
    await world.rest()
    [made] = world.invoices.stripe()
    for amount in (2000, None):
        world.invoices.pay(made["id"], amount=amount)
        await world.rest()
    world.invoices.refund(made["id"], 500)
    await world.rest()


async def lowered(world: World) -> None:
    """A part of an invoice is paid elsewhere, and the rest in Stripe."""
    await with_account(world)
    invoice = world.invoices.generate("50")
    world.invoices.tell(invoice)
    await world.rest()
    [made] = world.invoices.stripe()
    world.invoices.change(invoice, status="PARTIALLY_PAID", paid="20.01")
    world.invoices.tell(invoice, "invoice.updated")
    await world.rest()
    world.invoices.pay(made["id"])
    await world.rest()


async def closed(world: World) -> None:
    """One invoice is void in Togai, another one in Stripe."""
    await with_account(world)
    in_togai, in_stripe = world.invoices.generate("10"), world.invoices.generate("11")
    for invoice in (in_togai, in_stripe):
        world.invoices.tell(invoice)
        await world.rest()
    made = next(found["id"] for found in world.invoices.stripe() if found["total"] == 1100)
    world.invoices.change(in_togai, status="VOID")
    world.invoices.tell(in_togai, "invoice.updated")
    await world.rest()
    world.tandem.call("stripe", "POST", f"/v1/invoices/{made}/void")
    await world.rest()


async def with_account(world: World) -> None:
    """An account of Togai and its customer: what happens to them on the way is the scenario of customers."""
    with world.tandem.points.others():
        world.tandem.account(ACCOUNT)
        await world.rest()


SCENARIOS: Mapping[str, Scenario] = {
    each.__name__: each for each in (customers, offer, new_version, subscription, collected, lowered, closed)
}
