"""Every link of plans is found by any id of either side, and leads to the vendor's dashboard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from console.projection import not_sent, queries
from shared.flows.runs import encode
from sqlmodel import Session

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_subscriptions import Shop
from tests.stack.console import Console
from tests.stack.imports import imported
from tests.stack.in_process import InProcess


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path) -> Iterator[Console]:
    made = Console(tandem, tmp_path)
    yield made
    made.close()


async def relations(console: Console, entity: str) -> set[str]:
    """Of the links that an id leads to."""
    answer = await asyncio.to_thread(console.ask, "GET", "/api/mappings", params={"id": entity, "limit": 100})
    return {item["relation"] for item in answer.json()["items"]}


async def test_each_id_leads_to_its_links(tandem: InProcess, plans: Plans, console: Console) -> None:
    """Plan, product, price, link, session, schedule, payment, subscription: those of both vendors."""
    plan = plans.plan()
    await plans.tell(plan, "created")
    plans.offer(plan)
    await tandem.drain()
    [link] = plans.links()
    session = plans.pay(str(link["id"]))
    await tandem.drain()
    [payment], [schedule] = plans.payments(), plans.schedules()
    intent = payment["externalPaymentReferences"]["transactionNumber"]
    found = {entity: await relations(console, entity) for entity in (plan, link["id"], session, schedule["id"], intent)}
    by_price = [await relations(console, price["id"]) for price in plans.prices()]

    assert found[plan] >= {"product", "price", "offer"}
    assert found[link["id"]] >= {"offer"}
    assert found[session] >= {"attached"}
    assert found[schedule["id"]] >= {"attached"}
    assert found[intent] >= {"attached", "checkout_payment"}
    assert await relations(console, payment["id"]) == {"checkout_payment"}
    assert by_price == [{"price"}] * len(by_price)
    assert await relations(console, ACCOUNT) >= {"customer", "offer", "attached"}


async def test_an_imported_subscription_is_found(tandem: InProcess, plans: Plans, console: Console) -> None:
    """By itself, its schedule, its account and its plan."""
    shop = Shop(plans)
    plan, price = await shop.price()
    subscription = shop.started(price)
    await imported(tandem, "subscriptions", subscription)
    [schedule] = plans.schedules()
    ids = (subscription, schedule["id"], ACCOUNT, plan)

    assert ["subscribed" in await relations(console, entity) for entity in ids] == [True] * 4


async def test_pages_lead_to_the_dashboard(tandem: InProcess, plans: Plans, console: Console) -> None:
    """Of products, prices and payment links, on the plan's page and on that of the links."""
    plan = plans.plan()
    await plans.tell(plan, "created")
    plans.offer(plan)
    await tandem.drain()
    html = {"Accept": "text/html"}
    page = (await asyncio.to_thread(console.ask, "GET", "/plans", params={"id": plan}, headers=html)).text
    prices = (await asyncio.to_thread(console.ask, "GET", "/prices", headers=html)).text
    at = f"https://dashboard.stripe.com/{tandem.accounts['stripe']['id']}/test"
    [link], price = plans.links(), plans.prices()[0]["id"]

    assert f"{at}/products/{plan}" in page
    assert f"{at}/payment-links/{link['id']}" in page
    assert f"{at}/prices/{price}" in page
    assert f"{at}/prices/{price}" in prices


async def test_an_endpoint_that_does_not_send_a_type_is_named(
    tandem: InProcess, plans: Plans, console: Console
) -> None:
    """Of the runs in the tables: pollers found the checkouts, while webhooks brought the rest."""
    for name in ("One", "Two"):
        tandem.account(name)
        await tandem.drain()
        plans.offer(plans.plan(name), name)
        await tandem.drain()
        plans.pay(str(plans.links()[0]["id"]))
    await tandem.drain()
    paid = [event for event in tandem.delivered if event.type == "stripe.checkout.session.completed"]
    await asyncio.to_thread(console.ask, "GET", "/api/flow-links")
    with Session(console.state.database.engine) as session:
        links = queries.flow_links(session)
        by_webhook = not_sent.sentences(session, links)
    for event in paid:
        for run in [run for run in tandem.runs() if run.event == event.id]:
            run.origin = "poll"
            await tandem.log.append(tandem.topics.runs, run.id, encode(run))
    await asyncio.to_thread(console.ask, "GET", "/api/flow-links")
    with Session(console.state.database.engine) as session:
        [said] = not_sent.sentences(session, links)

    assert by_webhook == []
    needed = "stripe-checkout-to-togai-payment, stripe-checkout-to-togai-plan need"
    assert f"seems not to send checkout.session.completed, which {needed}" in said
