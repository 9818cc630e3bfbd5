"""What is paid of an invoice in Stripe is counted in Togai, once, and never beyond what is open."""

from __future__ import annotations

import pytest
from shared.domains.invoices.flows import PAYMENT_TO_TOGAI
from shared.runtime import creating

from tests.integration.invoices.conftest import Invoices
from tests.stack.in_process import InProcess

BACK = PAYMENT_TO_TOGAI.id


async def test_what_is_paid_is_counted_once(invoices: Invoices, tandem: InProcess) -> None:
    """Togai's own news of it, as of a paid invoice, does nothing more."""
    invoice = await invoices.generated("49.50")
    [made] = invoices.stripe()
    invoices.pay(made["id"])
    await tandem.drain()
    writes = tandem.writes()
    await invoices.bring(invoice, "invoice.updated")
    [(number, amount)] = invoices.payments()
    paid = invoices.togai(invoice)

    assert (paid["status"], paid["paidAmount"], amount) == ("PAID", 49.5, "49.5")
    assert number.startswith("pi_")
    assert invoices.last_run(invoice).reason == "it is paid already"
    assert tandem.writes() == writes


async def test_parts_and_the_whole(invoices: Invoices, tandem: InProcess) -> None:
    """Each payment is counted under its own number, as it comes."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    seen = []
    for amount in (4000, 6000):
        invoices.pay(made["id"], amount=amount)
        await tandem.drain()
        seen.append(invoices.togai(invoice)["status"])

    assert seen == ["PARTIALLY_PAID", "PAID"]
    assert [amount for _, amount in invoices.payments()] == ["40", "60"]


async def test_more_payments_than_stripe_shows_at_once(invoices: Invoices, tandem: InProcess) -> None:
    """It shows ten with an invoice: the others are read too, and none is closed as a balance."""
    invoice = await invoices.generated("12")
    [made] = invoices.stripe()
    for _ in range(12):
        invoices.pay(made["id"], amount=100)
    await tandem.drain()

    assert [amount for _, amount in invoices.payments()] == ["1"] * 12
    assert all(number.startswith("pi_") for number, _ in invoices.payments())
    assert invoices.togai(invoice)["status"] == "PAID"


async def test_more_than_is_open_is_not_counted(invoices: Invoices, tandem: InProcess) -> None:
    """What is overpaid stays in Stripe's customer balance, and the run says so."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    invoices.pay(made["id"], "overpaid", 12000)
    await tandem.drain()

    assert ([amount for _, amount in invoices.payments()], invoices.togai(invoice)["status"]) == (["100"], "PAID")
    notes = [note for run in tandem.runs() for step in run.steps for note in step.notes]
    assert any("20" in note and "stays in Stripe's customer balance" in note for note in notes)


async def test_what_no_payment_covers_closes_it_too(invoices: Invoices, tandem: InProcess) -> None:
    """Marked as paid by hand at Stripe: closed in Togai, under a number that says it was no payment."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    tandem.call("stripe", "POST", f"/v1/invoices/{made['id']}/pay", data={"paid_out_of_band": "true"})
    await tandem.drain()

    assert invoices.payments() == [(f"{made['id']}:balance", "100")]
    assert invoices.togai(invoice)["status"] == "PAID"


@pytest.mark.parametrize("outcome", ["failed", "processing"])
async def test_what_did_not_arrive_is_not_counted(invoices: Invoices, tandem: InProcess, outcome: str) -> None:
    """A payment that fails or is under way leaves the invoice DUE."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    invoices.pay(made["id"], outcome)
    await tandem.drain()

    assert (invoices.payments(), invoices.togai(invoice)["status"]) == ([], "DUE")


async def test_money_that_nobody_owed_is_said_to_be_owed_back(invoices: Invoices, tandem: InProcess) -> None:
    """It is in no customer balance: Stripe's own invoice asked for it."""
    invoice = await invoices.generated("50")
    [made] = invoices.stripe()
    invoices.change(invoice, status="PARTIALLY_PAID", paid="20")
    invoices.pay(made["id"])
    await tandem.drain()
    notes = [note for run in tandem.runs(event_type=".paid") for step in run.steps for note in step.notes]

    assert [amount for _, amount in invoices.payments()] == ["30"]
    assert any("20.00 was paid elsewhere before" in note and "refund it" in note for note in notes)


async def test_what_was_owed_from_before_is_no_overpayment(invoices: Invoices, tandem: InProcess) -> None:
    """Stripe asks for the customer's balance with the next invoice: nobody is to be refunded."""
    [customer] = tandem.customers()
    body = {"amount": 18, "currency": "usd"}
    tandem.call("stripe", "POST", f"/v1/customers/{customer['id']}/balance_transactions", data=body)
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    invoices.pay(made["id"])
    await tandem.drain()
    notes = [note for run in tandem.runs(event_type=".paid") for step in run.steps for note in step.notes]

    assert (made["amount_due"], invoices.togai(invoice)["status"]) == (1018, "PAID")
    assert [amount for _, amount in invoices.payments()] == ["10"]
    assert any("0.18 of it was owed from before" in note for note in notes)
    assert not any("refund" in note for note in notes)


async def test_each_reason_explains_its_own_amount_alone(invoices: Invoices, tandem: InProcess) -> None:
    """Owed from before, overpaid, and paid elsewhere, in one payment: the last part alone is to be refunded."""
    [customer] = tandem.customers()
    body = {"amount": 30, "currency": "usd"}
    tandem.call("stripe", "POST", f"/v1/customers/{customer['id']}/balance_transactions", data=body)
    invoice = await invoices.generated("50")
    [made] = invoices.stripe()
    invoices.change(invoice, status="PARTIALLY_PAID", paid="20")
    invoices.pay(made["id"], "overpaid", 6030)
    await tandem.drain()
    [note] = {
        note
        for run in tandem.runs(event_type=".paid")
        for step in run.steps
        for note in step.notes
        if "counted" in note
    } - {"counted already"}

    assert [amount for _, amount in invoices.payments()] == ["30"]
    assert "0.30 of it was owed from before" in note
    assert "10.00 more than was open stays in Stripe's customer balance" in note
    assert "20.00 was paid elsewhere before" in note


async def test_a_payment_that_may_be_under_way_is_not_sent_again(invoices: Invoices, tandem: InProcess) -> None:
    """Togai has no key for it: the run waits until the first call must have ended."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    match = {"account": invoices.organization, "method": "POST", "path": "/payments"}
    with tandem.control.fault(app="togai", kind="cut_before", match=match, times=1):
        invoices.pay(made["id"])
        await tandem.drain()
        await tandem.recheck()
    waiting = [run for run in tandem.runs(event_type=".paid") if run.state == "parked"]

    assert invoices.payments() == []
    assert {run.problem.code for run in waiting if run.problem} == {"leased"}
    assert invoices.togai(invoice)["status"] == "DUE"


@pytest.mark.parametrize(("status", "paid", "counted"), [("PARTIALLY_PAID", "4", ["6"]), ("PAID", "10", [])])
async def test_what_was_paid_elsewhere_before_the_next_try_is_not_open(
    invoices: Invoices, tandem: InProcess, monkeypatch: pytest.MonkeyPatch, status: str, paid: str, counted: list[str]
) -> None:
    """A payment whose call had no answer is sent again as far as the invoice is open then; of nothing, none is."""
    monkeypatch.setattr(creating, "LEASE", 0.0)
    invoice = await invoices.generated("10")
    match = {"account": invoices.organization, "method": "POST", "path": "/payments"}
    with tandem.control.fault(app="togai", kind="cut_before", match=match):
        invoices.pay(invoices.stripe()[0]["id"])
        await tandem.drain()
        invoices.change(invoice, status=status, paid=paid)
    await tandem.recheck()

    assert ([amount for _, amount in invoices.payments()], invoices.togai(invoice)["status"]) == (counted, "PAID")
    assert (tandem.letters(), tandem.parked) == ([], {})


async def test_a_payment_that_is_there_takes_nothing_from_another_one(invoices: Invoices, tandem: InProcess) -> None:
    """Its answer was lost, and it is found: what is open beside it is the other one's, and nobody is to be refunded."""
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    await tandem.link(BACK, enabled=False)
    invoices.pay(made["id"], amount=400)
    await tandem.drain()
    await tandem.link(BACK)
    match = {"account": invoices.organization, "method": "POST", "path": "/payments"}
    with tandem.control.fault(app="togai", kind="cut_after", match=match, times=1):
        invoices.pay(made["id"], amount=500)
        await tandem.drain()
    await tandem.recheck()
    notes = " ".join(note for run in tandem.runs() for step in run.steps for note in step.notes)

    assert sorted(amount for _, amount in invoices.payments()) == ["4", "5"]
    assert (invoices.togai(invoice)["paidAmount"], "refund" in notes) == (9, False)


async def test_what_an_earlier_home_has_counted_is_not_counted_again(invoices: Invoices, tandem: InProcess) -> None:
    """Its log is lost: the invoice is adopted by its Settings, and Togai is asked for its payments."""
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    invoices.pay(made["id"], amount=400)
    await tandem.drain()
    tandem.forget(tandem.topics.mappings, b'"invoice')
    await tandem.restart()
    await invoices.bring(invoice, origin="backfill")
    invoices.pay(made["id"], amount=300)
    await tandem.drain()

    assert [amount for _, amount in invoices.payments()] == ["4", "3"]
    assert (invoices.togai(invoice)["paidAmount"], tandem.letters()) == (7, [])


async def test_an_invoice_of_somebody_else_is_left_alone(invoices: Invoices, tandem: InProcess) -> None:
    """Stripe's own invoices concern nobody here."""
    [customer] = tandem.customers()
    own = {"customer": customer["id"], "collection_method": "send_invoice", "days_until_due": "30"}
    invoice = tandem.call("stripe", "POST", "/v1/invoices", data=own)["id"]
    body = {"lines[0][amount]": "100", "lines[0][description]": "Own"}
    tandem.call("stripe", "POST", f"/v1/invoices/{invoice}/add_lines", data=body)
    tandem.call("stripe", "POST", f"/v1/invoices/{invoice}/finalize")
    invoices.pay(invoice)
    await tandem.drain()

    assert invoices.payments() == []
    assert {run.reason for run in tandem.runs(event_type=".paid")} == {"no invoice of Togai stands behind it"}
