"""What Togai closes, or was paid elsewhere in part, is not asked for by its payment intent any more."""

from __future__ import annotations

from pathlib import Path

import pytest
from console.projection.run_progress import progress_of
from shared.domains.invoices.progress import known_of

from tests.integration.invoices.conftest import Invoices
from tests.integration.invoices.test_intents import BACK, CHARGE, Intents
from tests.integration.invoices.test_intents import intents as intents
from tests.stack.console import answering, succeeded
from tests.stack.in_process import InProcess
from tests.stack.points import Died, Point

CLOSED = "togai-invoice-closed-to-stripe-invoice"
UNPAID = "pm_card_authenticationRequired"


def said(tandem: InProcess) -> str:
    """What the runs note."""
    return " ".join(note for run in tandem.runs() for step in run.steps for note in step.notes)


@pytest.mark.parametrize("status", ["VOID", "UN_COLLECTIBLE", "PAID"])
async def test_a_closed_invoice_cancels_its_intent(
    intents: Intents, invoices: Invoices, tandem: InProcess, status: str
) -> None:
    """Once, and says no failure: what is charged by it ends."""
    intents.method(UNPAID)
    invoice = await invoices.generated("10")
    more = {"paid": "10"} if status == "PAID" else {}
    for _ in range(2):
        invoices.change(invoice, status=status, **more)
        await invoices.bring(invoice, "invoice.updated")
    await tandem.recheck()
    [intent] = intents.all()
    done = [run.state for run in tandem.runs() if run.flow == CLOSED][-2:]

    assert (intent["status"], invoices.togai(invoice)["status"], invoices.payments()) == ("canceled", status, [])
    assert done == ["succeeded", "in_sync"]
    assert (intents.run().state, tandem.parked, tandem.letters()) == ("skipped", {}, [])
    assert intents.shown(invoice) == (status, "")


async def test_what_was_voided_while_its_charge_failed_is_not_charged(
    intents: Intents, invoices: Invoices, tandem: InProcess
) -> None:
    """Togai is asked again before the call is sent again."""
    invoice = invoices.generate("10")
    await invoices.bring_while_it_fails(invoice, "payment_intents.confirm", status="VOID")
    [intent] = intents.all()

    assert (intent["status"], intents.all("charges"), intents.waits()) == ("canceled", [], "skipped")


async def test_what_is_under_way_cannot_be_canceled(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """That is said; what arrives then waits for a person, and no money moves back by itself."""
    intents.method("pm_usBankAccount_success")
    invoice = await invoices.generated("10")
    invoices.change(invoice, status="VOID")
    await invoices.bring(invoice, "invoice.updated")
    waits = intents.run(CLOSED)
    intents.end("succeeded")
    await tandem.drain()
    arrived = intents.run(BACK)

    assert waits.problem
    assert (waits.state, waits.problem.code) == ("parked", "payment_under_way")
    assert arrived.problem
    assert (arrived.state, arrived.problem.code) == ("parked", "not_open")
    assert "refund the payment" in arrived.problem.reason
    assert (intents.all("refunds"), invoices.payments()) == ([], [])


async def test_what_arrives_for_a_paid_invoice_is_surplus(
    intents: Intents, invoices: Invoices, tandem: InProcess
) -> None:
    """It was paid elsewhere while a bank debit was on its way: the run says what is owed to the customer."""
    intents.method("pm_usBankAccount_success")
    invoice = await invoices.generated("10")
    invoices.change(invoice, status="PAID", paid="10")
    await invoices.bring(invoice, "invoice.updated")
    intents.end("succeeded")
    await tandem.drain()

    known = known_of(intents.run().aggregate, map(progress_of, tandem.runs()))

    assert "10.00 was paid elsewhere before, and is owed to the customer" in said(tandem)
    assert known.overpaid == 1000
    assert (intents.all("refunds"), intents.run(CLOSED).state) == ([], "in_sync")


async def test_a_customer_who_pays_meanwhile_has_paid(intents: Intents, invoices: Invoices, tandem: InProcess) -> None:
    """Right before the call that cancels: it is refused, and the run says what came of it."""
    intents.method(UNPAID)
    invoice = await invoices.generated("10")

    async def paid() -> None:
        intents.end("succeeded")

    tandem.before_write("payment_intents.cancel", paid)
    invoices.change(invoice, status="VOID")
    await invoices.bring(invoice, "invoice.updated")
    run = intents.run(CLOSED)

    assert run.problem
    assert (run.state, run.problem.code, intents.all()[0]["status"]) == ("parked", "paid_and_void", "succeeded")


@pytest.mark.parametrize("asked", [False, True])
async def test_a_part_that_was_paid_elsewhere_lowers_it(
    intents: Intents, invoices: Invoices, tandem: InProcess, asked: bool
) -> None:
    """At once, also while its customer is at the bank's page: what is confirmed then is the rest."""
    intents.method(UNPAID)
    invoice = await invoices.generated("50")
    [intent] = intents.all()
    if asked:
        params = {"payment_method": intent["last_payment_error"]["payment_method"]["id"]}
        tandem.call("stripe", "POST", f"/v1/payment_intents/{intent['id']}/confirm", data=params)
    invoices.change(invoice, status="PARTIALLY_PAID", paid="20")
    await invoices.bring(invoice, "invoice.updated")
    before = [(one["amount"], one["status"]) for one in intents.all()]
    intents.end("succeeded")
    await tandem.drain()

    assert before == [(3000, "requires_action" if asked else "requires_payment_method")]
    assert [one["amount_received"] for one in intents.all()] == [3000]
    assert (intents.shown(invoice)[0], [amount for _, amount in invoices.payments()]) == ("PAID", ["30"])


async def test_a_customer_who_confirms_before_it_is_lowered(
    intents: Intents, invoices: Invoices, tandem: InProcess
) -> None:
    """The update is refused then: no dead letter; what was paid too much is said."""
    intents.method(UNPAID)
    invoice = await invoices.generated("50")

    async def paid() -> None:
        intents.end("succeeded")

    tandem.before_write("payment_intents.update", paid)
    invoices.change(invoice, status="PARTIALLY_PAID", paid="20")
    await invoices.bring(invoice, "invoice.updated")

    assert (intents.shown(invoice)[0], [amount for _, amount in invoices.payments()]) == ("PAID", ["30"])
    assert "20.00 was paid elsewhere before, and is owed" in said(tandem)
    assert (tandem.letters(), intents.run(CHARGE).ended) == ([], True)


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("label", ["payment_intents.cancel", "payment_intents.retrieve"])
async def test_a_death_on_the_way_cancels_it_once(
    intents: Intents, invoices: Invoices, tandem: InProcess, label: str, phase: str
) -> None:
    """Another worker goes on, and finds what was done."""
    intents.method(UNPAID)
    invoice = await invoices.generated("10")
    died: list[str] = []

    def die(point: Point) -> None:
        if not died and label in point.label and point.phase == phase:
            died.append(point.label)
            raise Died

    tandem.points.at = die
    invoices.change(invoice, status="VOID")
    with pytest.raises(Died):
        await invoices.bring(invoice, "invoice.updated")
    await invoices.go_on_elsewhere()
    await tandem.recheck()

    assert len(died) == 1
    assert [intent["status"] for intent in intents.all()] == ["canceled"]
    assert (tandem.parked, tandem.letters(), intents.shown(invoice)[0]) == ({}, [], "VOID")


async def test_what_an_intent_does_not_cover_waits_for_a_person(
    intents: Intents, invoices: Invoices, tandem: InProcess
) -> None:
    """More is open than when it was confirmed, and an intent succeeds once: the invoice is not shown as paid."""
    intents.method("pm_usBankAccount_success")
    invoice = await invoices.generated("10", paid="4", status="PARTIALLY_PAID")
    invoices.change(invoice, paid="0")
    intents.end("succeeded")
    await tandem.drain()
    await invoices.bring(invoice, "invoice.updated")
    waits = intents.run()
    known = known_of(waits.aggregate, map(progress_of, tandem.runs()))
    invoices.change(invoice, status="PAID", paid="10")
    await tandem.recheck()

    assert waits.problem
    assert (waits.state, waits.problem.code, known.state) == ("parked", "paid_in_part", "partly paid")
    assert "4.00 USD are open since" in waits.problem.reason
    assert (known.togai_status, known.amounts["paid"]) == ("PARTIALLY_PAID", 600)
    assert (intents.run().state, tandem.parked, tandem.letters()) == ("skipped", {}, [])


async def test_a_refund_that_togai_asks_for_is_a_persons(
    intents: Intents, invoices: Invoices, tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a Stripe invoice: a button leads to the payment at Stripe, and no money moves until somebody refunds it."""
    invoice = await invoices.generated("10")
    [intent] = intents.all()
    invoices.change(invoice, status="REFUND_INITIATED")
    await invoices.bring(invoice, "invoice.updated")
    with answering(tandem, tmp_path, monkeypatch) as console:
        asked = await succeeded(console, "GET", f"/api/invoices/{invoice}")
        untouched = intents.all("refunds")
        tandem.call("stripe", "POST", "/v1/refunds", data={"payment_intent": intent["id"]})
        await tandem.drain()
        after = await succeeded(console, "GET", f"/api/invoices/{invoice}")

    assert ("10.00 USD" in asked["refund_asked"], asked["refund_url"].rpartition("/")[2]) == (True, intent["id"])
    assert (untouched, after["refund_asked"], after["refund_url"], after["state"]) == ([], "", "", "refunded")
    assert (tandem.parked, tandem.letters()) == ({}, [])
