"""What becomes of an invoice in Stripe beside its payments stands in Togai: a status where it has one, else words."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from shared.runtime import creating

from tests.integration.invoices.conftest import Invoices
from tests.stack.in_process import InProcess

STATE = "StripeInvoiceState"
CHANGED = "stripe-invoice-changed-to-togai-invoice"


async def paid(invoices: Invoices, tandem: InProcess, *outcomes: str) -> tuple[str, str]:
    """An invoice of 100.00 that was paid: its ids in Togai and in Stripe."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    for outcome in outcomes or ("succeeded",):
        invoices.pay(made["id"], outcome)
    await tandem.drain()
    return invoice, str(made["id"])


def shown(invoices: Invoices, invoice: str) -> tuple[str, str]:
    """Togai's status of an invoice, and the words in its Settings."""
    return invoices.togai(invoice)["status"], invoices.settings(invoice).get(STATE, "")


@pytest.mark.parametrize(("verb", "status"), [("void", "VOID"), ("mark_uncollectible", "UN_COLLECTIBLE")])
async def test_what_was_closed_in_stripe_is_closed_in_togai(
    invoices: Invoices, tandem: InProcess, verb: str, status: str
) -> None:
    """Once; Togai's own news of it starts nothing."""
    invoice = await invoices.generated("50")
    [made] = invoices.stripe()
    tandem.call("stripe", "POST", f"/v1/invoices/{made['id']}/{verb}")
    await tandem.drain()
    writes = tandem.writes()
    await invoices.bring(invoice, "invoice.updated")

    assert (shown(invoices, invoice), tandem.letters()) == ((status, ""), [])
    assert tandem.writes() == writes


async def test_refunds_of_a_paid_invoice(invoices: Invoices, tandem: InProcess) -> None:
    """A part stands in words, the whole is REFUND_INITIATED; the payments of Togai stay as they are."""
    invoice, made = await paid(invoices, tandem)
    seen = []
    for amount in (1500, 500, None):
        invoices.refund(made, amount)
        await tandem.drain()
        seen.append(shown(invoices, invoice))
    writes = tandem.writes()
    await tandem.drain()

    assert seen == [
        ("PAID", "partly refunded: 15.00 USD of 100.00 USD"),
        ("PAID", "partly refunded: 20.00 USD of 100.00 USD"),
        ("REFUND_INITIATED", "refunded 100.00 USD"),
    ]
    assert [amount for _, amount in invoices.payments()] == ["100"]
    assert (tandem.writes(), tandem.letters()) == (writes, [])


async def test_a_dry_run_of_a_refund_writes_nothing(invoices: Invoices, tandem: InProcess) -> None:
    """Not the event either that would go on under its invoice: whoever got that would write to Togai."""
    invoice, made = await paid(invoices, tandem)
    before = shown(invoices, invoice)
    invoices.refund(made, None)
    await tandem.stood_before()
    [refund] = [event for event in tandem.delivered if event.type == "stripe.refund.created"]
    written, writes = len(tandem.log.written), tandem.writes()
    tandem.deliver(msgspec.structs.replace(refund, id="again", dryrun=True))
    await tandem.work_off()

    assert {record.topic for record in tandem.log.written[written:]} == {tandem.topics.runs}
    assert [run.state for run in tandem.runs() if run.event == "again"] == ["previewed"]
    assert (shown(invoices, invoice), tandem.writes()) == (before, writes)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("succeeded", ("REFUND_INITIATED", "refunded 100.00 USD")),
        ("failed", ("PAID", "refund of 100.00 USD failed")),
        ("canceled", ("PAID", "refund of 100.00 USD canceled")),
    ],
)
async def test_a_refund_that_is_pending_is_none_yet(
    invoices: Invoices, tandem: InProcess, end: str, expected: tuple[str, str]
) -> None:
    """Only what arrived is refunded."""
    invoice, made = await paid(invoices, tandem, "processing", "succeeded")
    refund = invoices.refund(made)
    await tandem.drain()
    pending = shown(invoices, invoice)
    invoices.end_refund(refund, end)
    await tandem.drain()

    assert (pending, shown(invoices, invoice)) == (("PAID", "refund of 100.00 USD pending"), expected)


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_a_dispute_leaves_the_invoice_as_it_is(invoices: Invoices, tandem: InProcess, outcome: str) -> None:
    """It stands in words, with its amount; the invoice is not opened again."""
    invoice, made = await paid(invoices, tandem)
    invoices.dispute(made)
    await tandem.drain()
    opened = shown(invoices, invoice)
    invoices.dispute(made, outcome)
    await tandem.drain()

    assert opened == ("PAID", "disputed: 100.00 USD")
    assert shown(invoices, invoice) == ("PAID", f"dispute {outcome}: 100.00 USD")
    assert [found["status"] for found in invoices.stripe()] == ["paid"]


async def test_what_failed_is_said_until_it_is_paid(invoices: Invoices, tandem: InProcess) -> None:
    """A payment that arrives after a failed one leaves no word of it."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    invoices.pay(made["id"], "failed")
    await tandem.drain()
    failed = shown(invoices, invoice)
    invoices.pay(made["id"])
    await tandem.drain()

    assert (failed, shown(invoices, invoice)) == (("DUE", "payment failed"), ("PAID", ""))


async def test_a_credit_note_is_shown(invoices: Invoices, tandem: InProcess) -> None:
    """Togai cannot lower an invoice: the words say by how much, and what is paid of the rest closes it."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    tandem.call("stripe", "POST", "/v1/credit_notes", data={"invoice": made["id"], "amount": "1000"})
    await tandem.drain()
    credited = shown(invoices, invoice)
    invoices.pay(made["id"])
    await tandem.drain()

    assert credited == ("DUE", "credited 10.00 USD")
    assert sorted(amount for _, amount in invoices.payments()) == ["10", "90"]
    assert invoices.togai(invoice)["status"] == "PAID"


async def test_a_refund_before_its_payment_is_counted_waits_for_it(
    invoices: Invoices, tandem: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Early news is no reason for another end. That its payment is linked wakes it: no event may come any more."""
    monkeypatch.setattr(creating, "LEASE", 0.0)
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    match = {"account": invoices.organization, "method": "POST", "path": "/payments"}
    with tandem.control.fault(app="togai", kind="error_before", match=match):
        invoices.pay(made["id"])
        invoices.refund(made["id"])
        await tandem.drain()
    account = tandem.registry.connections["stripe"].app_account
    payment = f"linked/invoice_payment/{account}/payment/{invoices.intent(made['id'])}"
    waiting = {
        (run.problem.code, run.problem.blocker)
        for run in tandem.runs()
        if run.state == "parked" and run.flow == CHANGED and run.problem
    }
    for _ in range(2):
        await tandem.recheck()

    assert waiting == {("not_counted", payment)}
    assert shown(invoices, invoice) == ("REFUND_INITIATED", "refunded 100.00 USD")


def old_shape(event: dict[str, Any], invoice: str) -> dict[str, Any]:
    """An event as an endpoint of an API version before 2025-03-31 has it: the charge names its invoice."""
    found = event["data"]["object"] | {"invoice": invoice}
    return event | {"api_version": "2020-08-27", "data": {"object": found}, "id": f"{event['id']}_old"}


async def test_both_shapes_of_a_refund_are_one_fact(invoices: Invoices, tandem: InProcess) -> None:
    """The old one names the invoice, the new one its payment; the second finds nothing to do."""
    invoice, made = await paid(invoices, tandem)
    invoices.refund(made, 1500)
    await tandem.drain()
    writes = tandem.writes()
    [event] = tandem.call("stripe", "GET", "/v1/events", params={"type": "charge.refunded"})["data"]
    envelope = tandem.event_of(old_shape(event, made))
    tandem.deliver(envelope)
    await tandem.drain()

    assert envelope.aggregate.endswith(f"/invoice/{made}")
    assert (tandem.writes(), shown(invoices, invoice)[0]) == (writes, "PAID")


async def test_an_api_version_that_nobody_knows_is_parked(invoices: Invoices, tandem: InProcess) -> None:
    """Nothing is guessed from its shape; the run names the version and says what to do."""
    _, made = await paid(invoices, tandem)
    [event] = tandem.call("stripe", "GET", "/v1/events", params={"type": "invoice.paid"})["data"]
    for body in (event, event | {"data": {"object": {"object": "invoice_settlement", "id": "x_1"}}}):
        place = len(json.dumps(body))
        tandem.deliver(tandem.event_of(body | {"api_version": "2031-01-01.fjord", "id": f"evt_{place}"}))
    await tandem.drain()
    parked = [run for run in tandem.runs() if run.state == "parked"]

    assert len(parked) == 4
    assert all(run.problem and "2031-01-01.fjord" in run.problem.reason for run in parked)
    assert invoices.payments() == [(invoices.intent(made), "100")]


async def test_a_refund_of_something_else_is_left_alone(invoices: Invoices, tandem: InProcess) -> None:
    """A payment that paid no invoice, and an invoice that is not Togai's: skipped with a reason, looked up once."""
    [customer] = tandem.customers()
    own = {"customer": customer["id"], "collection_method": "send_invoice", "days_until_due": "30"}
    invoice = tandem.call("stripe", "POST", "/v1/invoices", data=own)["id"]
    body = {"lines[0][amount]": "100", "lines[0][description]": "Own"}
    tandem.call("stripe", "POST", f"/v1/invoices/{invoice}/add_lines", data=body)
    tandem.call("stripe", "POST", f"/v1/invoices/{invoice}/finalize")
    invoices.pay(invoice)
    invoices.refund(invoice)
    await tandem.drain()
    reasons = {run.reason for run in tandem.runs(event_type="refund") if run.flow == CHANGED}

    assert reasons == {f"no invoice of Togai stands behind {invoice}"}


@pytest.mark.parametrize(
    ("balance", "returns", "recorded"),
    [
        (-300, True, ""),
        (-300, False, "3.00 USD of the customer's balance not given back"),
        (300, True, ""),
        (300, False, "3.00 USD owed from before are asked for no more: Stripe voided them with it"),
    ],
)
async def test_balance_that_a_void_keeps_is_shown(
    invoices: Invoices, tandem: InProcess, balance: int, returns: bool, recorded: str
) -> None:
    """Tandem moves no money: a person puts credit, or a debt, back in Stripe."""
    [customer] = tandem.customers()
    body = {"amount": balance, "currency": "usd"}
    tandem.call("stripe", "POST", f"/v1/customers/{customer['id']}/balance_transactions", data=body)
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    tandem.control.call("PATCH", "/settings", {"stripe_void_returns_credit": returns})
    try:
        tandem.call("stripe", "POST", f"/v1/invoices/{made['id']}/void")
    finally:
        tandem.control.call("PATCH", "/settings", {"stripe_void_returns_credit": True})
    await tandem.drain()

    assert shown(invoices, invoice) == ("VOID", recorded)


@pytest.mark.parametrize("closed", ["void", "mark_uncollectible"])
async def test_a_part_that_was_paid_keeps_togai_from_closing(
    invoices: Invoices, tandem: InProcess, closed: str
) -> None:
    """Togai neither voids nor gives up an invoice of which a part is paid: people close it."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    invoices.change(invoice, status="PARTIALLY_PAID", paid="20")
    tandem.call("stripe", "POST", f"/v1/invoices/{made['id']}/{closed}")
    await tandem.drain()
    parked = [run.problem.code for run in tandem.runs() if run.state == "parked" and run.problem]

    assert (parked, invoices.togai(invoice)["status"]) == (["void_and_paid"], "PARTIALLY_PAID")
