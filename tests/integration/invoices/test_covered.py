"""Nothing is billed twice: what a subscription at Stripe bills, or a checkout was paid for, is not asked for again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from plan_sync.actions import IMPLEMENTATIONS as PLAN_ACTIONS
from shared.domains.plans import DOMAIN as PLANS

from tests.contract.sandbox.tools import Control
from tests.integration.invoices.conftest import ACCOUNT, OUT, SERVICES, Invoices
from tests.integration.plans.conftest import Plans
from tests.stack.in_process import InProcess, in_process


@pytest.fixture
async def tandem(control: Control) -> AsyncIterator[InProcess]:
    """Workers of customers, plans and invoices, with one account in Togai."""
    async with in_process(control, services=(*SERVICES, (PLANS, PLAN_ACTIONS)), default_currency="USD") as made:
        made.account(ACCOUNT)
        await made.drain()
        yield made


@pytest.fixture
def plans(tandem: InProcess) -> Plans:
    return Plans(tandem)


async def catalogued(plans: Plans) -> tuple[str, dict[str, Any]]:
    """A plan whose fee has a recurring price at Stripe."""
    plan = plans.plan(rate="49")
    await plans.tell(plan, "created")
    [price] = [price for price in plans.prices() if price["recurring"]]
    return plan, price


def subscribe(tandem: InProcess, price: str, **more: str) -> str:
    """What a person does in Stripe's dashboard."""
    [customer] = tandem.customers()
    data = {"customer": customer["id"], "items[0][price]": price} | more
    return str(tandem.call("stripe", "POST", "/v1/subscriptions", data=data)["id"])


@pytest.mark.parametrize("more", [{}, {"trial_period_days": "14"}])
async def test_a_subscription_of_the_dashboard_holds_the_invoice(
    invoices: Invoices, tandem: InProcess, plans: Plans, more: dict[str, str]
) -> None:
    """Active or on trial; canceled, it lets the invoice go on, once."""
    plan, price = await catalogued(plans)
    subscription = subscribe(tandem, price["id"], **more)
    invoice = await invoices.generated("49", price_plan=plan)
    held, before = invoices.last_run(invoice), invoices.stripe()
    tandem.call("stripe", "DELETE", f"/v1/subscriptions/{subscription}")
    await tandem.recheck()

    assert (held.state, held.problem and held.problem.code, before) == ("parked", "subscribed", [])
    assert subscription in held.reason
    assert [made["total"] for made in invoices.stripe()] == [4900]


@pytest.mark.parametrize(
    ("status", "collected"), [("past_due", False), ("unpaid", False), ("incomplete_expired", True)]
)
async def test_a_subscription_bills_in_these_statuses(
    invoices: Invoices, tandem: InProcess, plans: Plans, status: str, collected: bool
) -> None:
    """One whose invoice is not paid bills all the same; one that never began does not."""
    plan, price = await catalogued(plans)
    subscription = subscribe(tandem, price["id"])
    body = {"account": tandem.accounts["stripe"]["id"], "status": status}
    tandem.control.call("POST", f"/stripe/subscriptions/{subscription}", body)
    await invoices.generated("49", price_plan=plan)

    assert [made["total"] for made in invoices.stripe()] == ([4900] if collected else [])


async def test_an_invoice_goes_on_when_the_subscription_ends(
    invoices: Invoices, tandem: InProcess, plans: Plans
) -> None:
    """By Stripe's event, long before it would look again by itself; what bills still wakes nothing."""
    plan, price = await catalogued(plans)
    await tandem.link("stripe-subscription-to-togai-invoices")
    subscription = subscribe(tandem, price["id"])
    invoice = await invoices.generated("49", price_plan=plan)
    held = invoices.last_run(invoice).state
    tandem.call("stripe", "POST", f"/v1/subscriptions/{subscription}", data={"metadata[seen]": "yes"})
    await tandem.drain()
    before = invoices.stripe()
    tandem.call("stripe", "DELETE", f"/v1/subscriptions/{subscription}")
    await tandem.drain()

    assert (held, before) == ("parked", [])
    assert [made["total"] for made in invoices.stripe()] == [4900]
    assert {run.state for run in tandem.runs(event_type="subscription.updated")} == {"skipped"}


async def test_a_subscription_of_no_plan_costs_no_call(invoices: Invoices, tandem: InProcess) -> None:
    """Its event shows what it bills."""
    await tandem.link("stripe-subscription-to-togai-invoices")
    [customer] = tandem.customers()
    product = tandem.call("stripe", "POST", "/v1/products", data={"name": "Other"})["id"]
    data = {"currency": "usd", "unit_amount": "500", "recurring[interval]": "month", "product": product}
    price = tandem.call("stripe", "POST", "/v1/prices", data=data)["id"]
    subscription = subscribe(tandem, price)
    tandem.call("stripe", "DELETE", f"/v1/subscriptions/{subscription}")
    await tandem.drain()
    [run] = tandem.runs(event_type="subscription.deleted")
    calls = tandem.control.call("GET", "/calls", account=tandem.accounts["stripe"]["id"])["counts"]

    assert (run.state, run.reason) == ("skipped", "it bills no price plan of Togai")
    assert "subscriptions.retrieve" not in calls


async def test_a_subscription_of_any_customer_of_the_account_holds_the_invoice(
    invoices: Invoices, tandem: InProcess, plans: Plans
) -> None:
    """Of one that a person made beside the linked one, and that names the account in its metadata."""
    plan, price = await catalogued(plans)
    data = {"name": "Acme, second", "metadata[togai_account_id]": ACCOUNT}
    beside = tandem.call("stripe", "POST", "/v1/customers", data=data)["id"]
    await tandem.drain("stripe")
    data = {"customer": beside, "items[0][price]": price["id"]}
    subscription = str(tandem.call("stripe", "POST", "/v1/subscriptions", data=data)["id"])
    invoice = await invoices.generated("49", price_plan=plan)
    held = invoices.last_run(invoice)

    assert (held.state, held.problem and held.problem.code) == ("parked", "subscribed")
    assert subscription in held.reason
    assert invoices.stripe() == []


async def test_what_another_plan_or_price_bills_holds_nothing(
    invoices: Invoices, tandem: InProcess, plans: Plans
) -> None:
    """A price that is of no plan; and an invoice that names none, as a custom one."""
    plan, price = await catalogued(plans)
    other = {"currency": "usd", "unit_amount": "500", "recurring[interval]": "month", "product": price["product"]}
    subscribe(tandem, tandem.call("stripe", "POST", "/v1/prices", data=other)["id"])
    await invoices.generated("49", price_plan=plan)
    subscribe(tandem, price["id"])
    await invoices.generated("7", type="CUSTOM")

    assert sorted(made["total"] for made in invoices.stripe()) == [700, 4900]


async def test_a_subscription_started_while_the_draft_waited_holds_it(
    invoices: Invoices, tandem: InProcess, plans: Plans
) -> None:
    """Stripe is asked again before a draft that waited is finalized."""
    plan, price = await catalogued(plans)
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "invoices.finalize"}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("49", price_plan=plan)
        subscribe(tandem, price["id"])
    await tandem.recheck()
    run = invoices.last_run(invoice)

    assert [made["status"] for made in invoices.stripe()] == ["draft"]
    assert run.problem
    assert run.problem.code == "subscribed"


async def test_parts_that_are_covered_while_the_draft_waits_are_left_out(
    invoices: Invoices, tandem: InProcess, plans: Plans
) -> None:
    """The draft is filled with what is left of the invoice."""
    plan, price = await catalogued(plans)
    await tandem.link(OUT, covered="exclude")
    lines = [{"name": price["nickname"], "amount": "49"}, {"name": "Calls", "amount": "3.21"}]
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "invoices.finalize"}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        await invoices.generated(lines=lines, price_plan=plan)
        subscribe(tandem, price["id"])
    await tandem.recheck()
    [made] = invoices.stripe()

    assert (made["status"], made["total"], invoices.lines(made["id"])) == ("open", 321, [("Calls", 321)])


@pytest.mark.parametrize("covered", ["hold", "exclude"])
async def test_one_that_began_while_the_draft_was_filled_stops_it(
    invoices: Invoices, tandem: InProcess, plans: Plans, covered: str
) -> None:
    """Stripe is asked right before the first finalizing too; what it bills is left out if the link says so."""
    plan, price = await catalogued(plans)
    await tandem.link(OUT, covered=covered)
    started: list[str] = []

    async def begin() -> None:
        if not started:
            started.append(subscribe(tandem, price["id"]))

    tandem.before_write("invoices.add_lines", begin)
    lines = [{"name": price["nickname"], "amount": "49"}, {"name": "Calls", "amount": "3.21"}]
    invoice = await invoices.generated(lines=lines, price_plan=plan)
    run = invoices.last_run(invoice)
    await tandem.recheck()
    [then] = invoices.stripe()

    assert len(started) == 1
    if covered == "hold":
        assert (then["status"], run.problem and run.problem.code) == ("draft", "subscribed")
    else:
        assert (then["status"], then["total"], invoices.lines(then["id"])) == ("open", 321, [("Calls", 321)])


async def test_covered_parts_are_left_out_if_the_link_says_so(
    invoices: Invoices, tandem: InProcess, plans: Plans
) -> None:
    """The rest is billed; when it is paid, nothing of Togai's invoice stays open."""
    plan, price = await catalogued(plans)
    subscribe(tandem, price["id"])
    await tandem.link(OUT, covered="exclude")
    lines = [{"name": price["nickname"], "amount": "49"}, {"name": "Calls", "amount": "3.21"}]
    invoice = await invoices.generated(lines=lines, price_plan=plan)
    [made] = invoices.stripe()
    notes = [note for step in invoices.last_run(invoice).steps for note in step.notes]
    invoices.pay(made["id"])
    await tandem.drain()

    assert (made["status"], made["total"], invoices.lines(made["id"])) == ("open", 321, [("Calls", 321)])
    assert any(f"left out: {price['nickname']}" in note for note in notes)
    assert invoices.togai(invoice)["status"] == "PAID"


@pytest.mark.parametrize(
    ("name", "more", "state"), [("", {}, "skipped"), ("Other", {}, "parked"), ("", {"tax": "5"}, "parked")]
)
async def test_what_cannot_be_left_out_is_held(
    invoices: Invoices, tandem: InProcess, plans: Plans, name: str, more: dict[str, str], state: str
) -> None:
    """All of it is covered: nothing is made. No part, or a tax that may be of it: a person decides."""
    plan, price = await catalogued(plans)
    subscribe(tandem, price["id"])
    await tandem.link(OUT, covered="exclude")
    lines = [{"name": name or price["nickname"], "amount": "49"}]
    invoice = await invoices.generated(lines=lines, price_plan=plan, **more)

    assert (invoices.last_run(invoice).state, invoices.stripe()) == (state, [])


@asynccontextmanager
async def paid_uncounted(tandem: InProcess, plans: Plans) -> AsyncIterator[tuple[str, str]]:
    """A plan that was paid at its checkout, and the session, while Togai takes no payment."""
    plan = plans.plan(rate="49")
    plans.offer(plan)
    await tandem.drain()
    [link] = plans.links()
    match = {"account": tandem.accounts["togai"]["id"], "operation": "payments.create"}
    with tandem.control.fault(app="togai", kind="error_before", match=match):
        session = plans.pay(link["id"])
        await tandem.drain()
        yield plan, session


async def test_a_checkout_that_togai_did_not_count_holds_the_invoice(
    invoices: Invoices, tandem: InProcess, plans: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was paid there would be asked for again; counted, the invoice goes out."""
    monkeypatch.setattr("shared.runtime.creating.LEASE", 0)  # else a payment is sent again after 40 s
    async with paid_uncounted(tandem, plans) as (plan, _):
        invoice = await invoices.generated("49", price_plan=plan)
        held, before = invoices.last_run(invoice), invoices.stripe()
    await tandem.recheck()
    await tandem.recheck()

    assert (held.state, held.problem and held.problem.code, before) == ("parked", "uncounted", [])
    assert (len(plans.payments()), len(invoices.stripe())) == (1, 1)


async def test_a_checkout_that_was_given_back_holds_nothing(
    invoices: Invoices, tandem: InProcess, plans: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody counts it any more: the invoice asks for the whole."""
    monkeypatch.setattr("shared.runtime.creating.LEASE", 0)
    async with paid_uncounted(tandem, plans) as (plan, session):
        intent = tandem.call("stripe", "GET", f"/v1/checkout/sessions/{session}")["payment_intent"]
        tandem.call("stripe", "POST", "/v1/refunds", data={"payment_intent": intent})
    await tandem.recheck()
    await tandem.recheck()
    await invoices.generated("49", price_plan=plan)

    assert plans.payments() == []
    assert [found["total"] for found in invoices.stripe()] == [4900]


async def test_a_checkout_that_a_person_counted_in_togai_holds_nothing(
    invoices: Invoices, tandem: InProcess, plans: Plans
) -> None:
    """The run that was to count it was discarded: Togai is asked."""
    async with paid_uncounted(tandem, plans) as (plan, _):
        pass
    [intent] = tandem.call("stripe", "GET", "/v1/payment_intents")["data"]
    payment = {
        "accountId": ACCOUNT,
        "totalAmount": 49,
        "currency": "USD",
        "lineItemRecords": [{"type": "WALLET_CREDIT", "order": 1, "amount": 49}],
        "externalPaymentReference": {
            "sourceName": "bank",
            "sourceType": "BANK_TRANSFER",
            "transactionNumber": intent["id"],
        },
    }
    tandem.call("togai", "POST", "/payments", json=payment)
    await invoices.generated("49", price_plan=plan)

    assert len(invoices.stripe()) == 1
