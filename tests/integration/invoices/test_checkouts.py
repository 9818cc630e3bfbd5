"""A checkout session that pays an invoice of Togai is counted there once, and attaches no plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from shared.flows.runs import Run

from tests.integration.invoices.conftest import ACCOUNT, Invoices
from tests.integration.invoices.test_covered import plans as plans
from tests.integration.invoices.test_covered import tandem as tandem
from tests.integration.plans.conftest import Plans
from tests.stack.console import answering, succeeded
from tests.stack.in_process import InProcess

COUNTED, OF_PLANS = "stripe-checkout-to-togai-payment", "stripe-checkout-to-togai-plan"
ORDERS = pytest.mark.parametrize("backwards", [False, True])
Json = dict[str, Any]


def session(tandem: InProcess, amount: int, named: dict[str, str], **more: str) -> str:
    """A session that the vendor's own page opens for the account's customer; `named` is its metadata, and its
    payment's.
    """
    [customer] = tandem.customers()
    recurs = {"line_items[0][price_data][recurring][interval]": "month"} if more.get("mode") == "subscription" else {}
    data = {
        "mode": "payment", "customer": customer["id"], "success_url": "https://x.test",
        "line_items[0][quantity]": "1", "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": str(amount), "line_items[0][price_data][product_data][name]": "Due",
    }  # fmt: skip
    data |= {f"metadata[{name}]": value for name, value in named.items()}
    if not recurs:
        data |= {f"payment_intent_data[metadata][{name}]": value for name, value in named.items()}
    return str(tandem.call("stripe", "POST", "/v1/checkout/sessions", data=data | recurs | more)["id"])


def shown(tandem: InProcess, name: str) -> Json:
    return dict(tandem.call("stripe", "GET", f"/v1/checkout/sessions/{name}"))


async def delivered(tandem: InProcess, *, backwards: bool) -> None:
    """What Stripe has to tell comes in, the newest first if it comes backwards, each event twice."""
    known = tandem._known.setdefault("stripe", set())
    found = tandem.call("stripe", "GET", "/v1/events", params={"limit": 100})["data"]
    news = [body for body in found if body["id"] not in known]
    known.update(body["id"] for body in news)
    for body in news if backwards else reversed(news):
        for _ in range(2):
            tandem.deliver(tandem.event_of(body))
        await tandem.work_off()
    await tandem.drain()


def run_of(tandem: InProcess, flow: str) -> Run:
    return [run for run in tandem.runs() if run.flow == flow][-1]


@ORDERS
async def test_what_it_paid_is_counted_once(
    invoices: Invoices, tandem: InProcess, plans: Plans, backwards: bool
) -> None:
    """Under its payment's number, whichever event comes first; the Stripe invoice asks for it no more."""
    invoice = await invoices.generated("49.50")
    paid = session(
        tandem,
        4950,
        {"togai_invoice_id": invoice, "togai_app_account": tandem.registry.connections["togai"].app_account},
    )
    plans.resolve(paid, "paid")
    await delivered(tandem, backwards=backwards)
    await invoices.bring(invoice, "invoice.updated")
    [made] = invoices.stripe()

    assert invoices.payments() == [(shown(tandem, paid)["payment_intent"], "49.5")]
    assert (invoices.togai(invoice)["status"], made["status"]) == ("PAID", "paid")
    assert (plans.schedules(), tandem.letters()) == ([], [])


async def test_its_event_alone_is_enough(invoices: Invoices, tandem: InProcess, plans: Plans) -> None:
    """Where the payment's own metadata name nothing."""
    invoice = await invoices.generated("49.50")
    paid = session(
        tandem, 2000, {"togai_invoice_id": invoice}, **{"payment_intent_data[metadata][togai_invoice_id]": ""}
    )
    plans.resolve(paid, "paid")
    await tandem.drain()

    assert invoices.payments() == [(shown(tandem, paid)["payment_intent"], "20")]
    assert invoices.togai(invoice)["status"] == "PARTIALLY_PAID"


async def test_what_is_paid_later_is_counted_later(invoices: Invoices, tandem: InProcess, plans: Plans) -> None:
    """A bank debit counts when it arrives."""
    invoice = await invoices.generated("49.50")
    paid = session(tandem, 4950, {"togai_invoice_id": invoice})
    plans.resolve(paid, "unpaid")
    await tandem.drain()
    before, waits = invoices.payments(), run_of(tandem, COUNTED)
    plans.resolve(paid, "async_succeeded")
    await tandem.drain()

    assert (before, waits.state, "not paid yet" in waits.reason) == ([], "skipped", True)
    assert invoices.payments() == [(shown(tandem, paid)["payment_intent"], "49.5")]


async def test_the_flow_of_plans_leaves_it_with_a_reason(invoices: Invoices, tandem: InProcess, plans: Plans) -> None:
    """Also where the metadata name a plan beside it."""
    invoice, plan = await invoices.generated("49.50"), plans.plan()
    named = {"togai_invoice_id": invoice, "togai_price_plan_id": plan, "togai_account_id": ACCOUNT}
    plans.resolve(session(tandem, 4950, named), "paid")
    await tandem.drain()
    left = run_of(tandem, OF_PLANS)

    assert (left.state, f"it pays invoice {invoice}" in left.reason) == ("skipped", True)
    assert (plans.schedules(), [amount for _, amount in invoices.payments()]) == ([], ["49.5"])


@ORDERS
async def test_the_stripe_invoice_of_a_session_is_read(
    invoices: Invoices, tandem: InProcess, plans: Plans, backwards: bool
) -> None:
    """One that collects an invoice of Togai, as its Settings say: counted as `invoice.paid` counts it."""
    invoice = invoices.generate("49.50")
    name = session(tandem, 4950, {}, mode="subscription")
    plans.resolve(name, "paid")
    setting = {"id": "StripeInvoiceId", "name": "Stripe", "value": shown(tandem, name)["invoice"], "dataType": "STRING"}
    where = {"entityType": "INVOICE", "entityId": invoice, "namespace": "USER"}
    tandem.call("togai", "POST", "/settings", json=setting | where)
    invoices.tell(invoice)
    await tandem.work_off()
    await delivered(tandem, backwards=backwards)
    [(number, amount)] = invoices.payments()

    assert (number[:3], amount, invoices.togai(invoice)["status"]) == ("pi_", "49.5", "PAID")
    assert run_of(tandem, COUNTED).state in ("succeeded", "in_sync")


async def test_a_stripe_invoice_of_none_of_togais_is_left(invoices: Invoices, tandem: InProcess, plans: Plans) -> None:
    """A subscription of something else; Stripe is not asked about it."""
    before = invoices.payments()
    plans.resolve(session(tandem, 4950, {}, mode="subscription"), "paid")
    await tandem.drain()
    run = run_of(tandem, COUNTED)

    assert (run.state, "no invoice of Togai stands behind in_" in run.reason) == ("skipped", True)
    assert invoices.payments() == before


async def test_the_stripe_invoice_of_a_subscription_pays_the_named_one(
    invoices: Invoices, tandem: InProcess, plans: Plans
) -> None:
    """What its first invoice brought is counted for the invoice that the metadata name."""
    invoice = await invoices.generated("49.50")
    plans.resolve(session(tandem, 4950, {"togai_invoice_id": invoice}, mode="subscription"), "paid")
    await tandem.drain()
    [(number, amount)] = invoices.payments()

    assert (number[:3], amount, invoices.togai(invoice)["status"]) == ("pi_", "49.5", "PAID")


async def test_what_paid_for_another_organization_counts_nothing_here(
    invoices: Invoices, tandem: InProcess, plans: Plans
) -> None:
    """Its invoice may have the id of one here."""
    invoice = await invoices.generated("49.50")
    plans.resolve(session(tandem, 4950, {"togai_invoice_id": invoice, "togai_app_account": "togai:test:other"}), "paid")
    await tandem.drain()

    assert (run_of(tandem, COUNTED).state, invoices.payments()) == ("skipped", [])


async def test_a_subscription_that_sells_a_plan_is_none_of_it(
    invoices: Invoices, tandem: InProcess, plans: Plans
) -> None:
    """It has a Stripe invoice too: the flow of plans attaches, and no other run is there."""
    for flow in ("togai-plan-to-stripe-payment-link",):
        await tandem.link(flow, mode="subscription")
    plan = plans.plan(rate="49")
    plans.offer(plan)
    await tandem.drain()
    plans.pay(plans.links()[0]["id"])
    await tandem.drain()

    assert [found["pricePlanId"] for found in plans.schedules()] == [plan]
    assert [run for run in tandem.runs() if run.flow == COUNTED] == []


@pytest.mark.parametrize(("amount", "state"), [(4950, "paid"), (2000, "partly paid")])
async def test_the_console_shows_it(
    invoices: Invoices,
    tandem: InProcess,
    plans: Plans,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    amount: int,
    state: str,
) -> None:
    """As a payment of the invoice, also where the metadata of the payment itself name nothing."""
    invoice = await invoices.generated("49.50")
    unnamed = {"payment_intent_data[metadata][togai_invoice_id]": ""}
    plans.resolve(session(tandem, amount, {"togai_invoice_id": invoice}, **unnamed), "paid")
    await tandem.drain()
    with answering(tandem, tmp_path, monkeypatch) as console:
        found = await succeeded(console, "GET", f"/api/invoices/{invoice}")

    assert (found["state"], [one["amount"] for one in found["payments"]]) == (state, [f"{amount / 100:.2f}"])
