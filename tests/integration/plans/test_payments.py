"""Every payment of an offer is shown with what became of it; a second one is shown, and attaches nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from console.domains.plans import cli as commands
from invoice_sync.actions import IMPLEMENTATIONS as INVOICES
from plan_sync.actions import IMPLEMENTATIONS
from shared.domains.invoices import DOMAIN as INVOICE_DOMAIN
from shared.domains.plans import DOMAIN

from tests.contract.sandbox.tools import Control
from tests.integration.plans.conftest import ACCOUNT, KEY, Plans
from tests.integration.plans.test_links import active, offer
from tests.stack.console import Console, answering, succeeded
from tests.stack.in_process import CUSTOMERS, InProcess, in_process

Json = dict[str, Any]


@pytest.fixture
async def tandem(control: Control) -> AsyncIterator[InProcess]:
    """Refunds come in as events of invoices: their service runs too."""
    services = (*CUSTOMERS, (INVOICE_DOMAIN, INVOICES), (DOMAIN, IMPLEMENTATIONS))
    async with in_process(control, services=services, default_currency="USD", portal_keys=KEY) as made:
        made.account(ACCOUNT)
        await made.drain()
        yield made


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    with answering(tandem, tmp_path, monkeypatch) as made:
        yield made


async def shown(console: Console, plan: str) -> Json:
    """The one offer of a plan."""
    [found] = (await succeeded(console, "GET", f"/api/plans/{plan}"))["offered"]
    return dict(found)


def payments(found: Json) -> list[tuple[str, str, str]]:
    return [(one["state"], one["amount"], one["refunded"]) for one in found["payments"]]


def refund(plans: Plans, session: str, amount: int) -> None:
    """A person gives a part back in Stripe."""
    intent = plans.tandem.call("stripe", "GET", f"/v1/checkout/sessions/{session}")["payment_intent"]
    plans.tandem.call("stripe", "POST", "/v1/refunds", data={"payment_intent": intent, "amount": str(amount)})


async def test_a_second_payment_is_shown(
    plans: Plans,
    tandem: InProcess,
    console: Console,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It attaches nothing; by the API, on the page and by the command."""
    monkeypatch.setenv("COLUMNS", "250")
    plan = plans.plan()
    await offer(plans, plan)
    url = str(plans.links()[0]["url"])
    sessions = [plans.visit(url), plans.visit(url)]
    for session in sessions:
        plans.resolve(session, "paid")
    await tandem.drain()
    found = await shown(console, plan)
    page = await asyncio.to_thread(console.ask, "GET", f"/plans?id={plan}")
    group = typer.main.get_command(commands.app)
    await asyncio.to_thread(group.main, ["show", plan], standalone_mode=False)
    words = capsys.readouterr().out

    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]
    assert payments(found) == [("paid", "49.00", "0.00")] * 2
    assert [one["session_id"] for one in found["payments"]] == sessions
    assert [one["again"] for one in found["payments"]] == [False, True]
    assert all(session in text for session in sessions for text in (page.text, words))
    assert all("had the plan already" in text for text in (page.text, words))


async def test_a_refund_is_shown_and_the_plan_stays(plans: Plans, tandem: InProcess, console: Console) -> None:
    """First a part, then the rest. Togai counts the payment still, and no call takes that back: it says so."""
    plan = plans.plan()
    await offer(plans, plan)
    session, seen = plans.pay(active(plans)[0]), []
    await tandem.drain()
    for amount in (900, 4000):
        refund(plans, session, amount)
        await tandem.drain()
        seen.append(payments(await shown(console, plan)))
    found = await shown(console, plan)
    [notes] = [step.notes for run in tandem.runs() for step in run.steps if "it is refunded" in step.notes]
    [counted] = plans.payments()

    assert found["payments"][0]["payment_id"] == counted["id"]
    assert any(counted["id"] in note and "counts it still" in note for note in notes)
    assert seen == [[("partly refunded", "49.00", "9.00")], [("refunded", "49.00", "49.00")]]
    assert (found["state"], [schedule["pricePlanId"] for schedule in plans.schedules()]) == ("paid", [plan])


async def test_a_refund_of_a_subscriptions_first_invoice_is_shown(
    plans: Plans, tandem: InProcess, console: Console
) -> None:
    """Stripe names no session for its payment."""
    await tandem.link("togai-plan-to-stripe-payment-link", mode="subscription")
    plan = plans.plan()
    await offer(plans, plan)
    session = plans.pay(active(plans)[0])
    await tandem.drain()
    invoice = tandem.call("stripe", "GET", f"/v1/checkout/sessions/{session}")["invoice"]
    [paid] = tandem.call("stripe", "GET", "/v1/invoice_payments", params={"invoice": invoice})["data"]
    intent = paid["payment"]["payment_intent"]
    tandem.call("stripe", "POST", "/v1/refunds", data={"payment_intent": intent, "amount": "900"})
    await tandem.drain()

    assert payments(await shown(console, plan)) == [("partly refunded", "49.00", "9.00")]


async def test_an_expired_and_a_failed_checkout_are_shown(plans: Plans, tandem: InProcess, console: Console) -> None:
    """One that expires leaves the link open; one whose payment fails leads to a new link."""
    plan = plans.plan()
    await offer(plans, plan)
    plans.resolve(plans.visit(str(plans.links()[0]["url"])), "expired")
    await tandem.drain()
    before = await shown(console, plan)
    session = plans.pay(active(plans)[0], "unpaid")
    await tandem.drain()
    waiting = await shown(console, plan)
    plans.resolve(session, "async_failed")
    await tandem.drain()
    after = await shown(console, plan)

    assert (before["state"], [one["state"] for one in before["payments"]]) == ("open", ["expired"])
    assert (waiting["state"], [one["state"] for one in waiting["payments"]]) == ("confirming", ["expired", "pending"])
    assert (after["state"], [one["state"] for one in after["payments"]]) == ("open", ["expired", "failed"])
    assert len(active(plans)) == 1


async def test_a_failed_payment_is_shown_where_nothing_makes_a_new_link(
    plans: Plans, tandem: InProcess, console: Console
) -> None:
    """The offer does not say for ever that it is being confirmed."""
    plan = plans.plan()
    await tandem.link("stripe-failed-checkout-to-payment-link", enabled=False)
    await offer(plans, plan)
    session = plans.pay(active(plans)[0], "unpaid")
    await tandem.drain()
    plans.resolve(session, "async_failed")
    await tandem.drain()
    found = await shown(console, plan)

    assert (found["state"], "offer the plan again" in found["reason"]) == ("failed", True)


@pytest.mark.parametrize(
    ("outcome", "state", "payment"), [("async_failed", "open", "failed"), ("async_succeeded", "paid", "paid")]
)
async def test_an_event_of_the_completion_that_comes_last_changes_nothing(
    plans: Plans, tandem: InProcess, console: Console, outcome: str, state: str, payment: str
) -> None:
    """The link that took the place of the failed one stays open; what is paid stays so."""
    plan = plans.plan()
    await offer(plans, plan)
    session = plans.pay(active(plans)[0], "unpaid")
    [event] = tandem.call("stripe", "GET", "/v1/events", params={"type": "checkout.session.completed"})["data"]
    tandem.hold(event["id"])
    plans.resolve(session, outcome)
    await tandem.drain()
    before = active(plans)
    tandem.deliver(tandem.event_of(event))
    await tandem.drain()
    found = await shown(console, plan)

    assert (found["state"], [one["state"] for one in found["payments"]]) == (state, [payment])
    assert active(plans) == before


async def test_a_late_completion_of_a_failed_subscription_changes_nothing(
    plans: Plans, tandem: InProcess, console: Console
) -> None:
    """Its session shows no payment: its first invoice does. The link that was made since stays open."""
    await tandem.link("togai-plan-to-stripe-payment-link", mode="subscription")
    plan = plans.plan()
    await offer(plans, plan)
    session = plans.pay(active(plans)[0], "unpaid")
    [event] = tandem.call("stripe", "GET", "/v1/events", params={"type": "checkout.session.completed"})["data"]
    tandem.hold(event["id"])
    plans.resolve(session, "async_failed")
    await tandem.drain()
    failed = await shown(console, plan)
    body = {"account": tandem.accounts["stripe"]["id"], "status": "incomplete_expired"}
    subscription = tandem.call("stripe", "GET", f"/v1/checkout/sessions/{session}")["subscription"]
    tandem.control.call("POST", f"/stripe/subscriptions/{subscription}", body)
    await offer(plans, plan)
    before = active(plans)
    tandem.deliver(tandem.event_of(event))
    await tandem.drain()
    found = await shown(console, plan)

    assert ([one["state"] for one in failed["payments"]], len(before)) == (["failed"], 1)
    assert (found["state"], [one["state"] for one in found["payments"]]) == ("open", ["failed"])
    assert active(plans) == before


async def test_a_refund_of_something_else_is_of_no_offer(plans: Plans, tandem: InProcess) -> None:
    """The run says so."""
    price = {"currency": "usd", "unit_amount": "500", "product_data[name]": "Mug"}
    made = tandem.call("stripe", "POST", "/v1/prices", data=price)["id"]
    body = {"line_items[0][price]": made, "line_items[0][quantity]": "1"}
    session = plans.pay(tandem.call("stripe", "POST", "/v1/payment_links", data=body)["id"])
    refund(plans, session, 500)
    await tandem.drain()
    [run] = [one for one in tandem.runs() if one.flow == "stripe-checkout-refund-to-offer"]

    assert (run.state, "paid no offer" in run.reason) == ("skipped", True)
