"""A held invoice is made no further in Stripe, whatever comes, until a person releases it."""

from __future__ import annotations

import pytest

from tests.integration.invoices.conftest import Invoices
from tests.stack.in_process import InProcess


async def test_a_held_invoice_is_not_made(invoices: Invoices, tandem: InProcess) -> None:
    """It outlasts a restart and further news; released, it is made at once."""
    invoice = invoices.generate("50")
    await invoices.decide("hold", invoice, "a wrong meter")
    await invoices.bring(invoice)
    await tandem.restart()
    await invoices.bring(invoice, "invoice.updated")
    run, before = invoices.last_run(invoice), invoices.stripe()
    await invoices.decide("release", invoice, "corrected")

    assert (before, run.state, run.problem and run.problem.code) == ([], "parked", "held")
    assert "a wrong meter" in run.reason
    assert [made["status"] for made in invoices.stripe()] == ["open"]
    assert len(invoices.mails()) == 1


@pytest.mark.parametrize(
    ("operation", "status", "mails"),
    [("invoices.add_lines", "draft", 0), ("invoices.finalize", "draft", 0), ("invoices.send", "open", 0)],
)
async def test_it_is_held_before_each_step(
    invoices: Invoices, tandem: InProcess, operation: str, status: str, mails: int
) -> None:
    """What was begun stays as it is; released, it goes on from there, and nothing is made twice."""
    match = {"account": tandem.accounts["stripe"]["id"], "operation": operation}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("50")
    await invoices.decide("hold", invoice)
    await tandem.recheck()
    held = ([made["status"] for made in invoices.stripe()], len(invoices.mails()))
    await invoices.decide("release", invoice)
    await tandem.recheck()

    assert held == ([status], mails)
    assert ([made["status"] for made in invoices.stripe()], len(invoices.mails())) == (["open"], 1)


async def test_held_twice_released_twice(invoices: Invoices, tandem: InProcess) -> None:
    """The second one finds what the first one did; held again, it is held again."""
    invoice = invoices.generate("50")
    for change in ("hold", "hold", "release", "release", "hold"):
        await invoices.decide(change, invoice)
    await invoices.bring(invoice)
    states = [run.state for run in tandem.runs(event_type="decision_requested")]

    assert states == ["succeeded", "succeeded", "succeeded", "in_sync", "succeeded"]
    assert invoices.stripe() == []


async def test_an_invoice_that_is_not_there_is_not_held(invoices: Invoices, tandem: InProcess) -> None:
    """A wrong id ends with a word, and leaves no decision behind."""
    await invoices.decide("hold", "inv.nowhere.x")
    [run] = tandem.runs(event_type="decision_requested")

    assert run.state == "skipped"
    assert run.reason.startswith("nothing was done")


async def test_a_resync_looks_at_both_sides(invoices: Invoices, tandem: InProcess) -> None:
    """An old invoice that was never made is made; a payment whose event nobody handled is counted."""
    invoice = invoices.generate("50")
    await tandem.link("togai-invoice-to-stripe-invoice", changed_at="2099-01-01T00:00:00Z")
    await invoices.bring(invoice)
    before = invoices.stripe()
    await invoices.decide("resync", invoice)
    [made] = invoices.stripe()
    await tandem.link("stripe-invoice-payment-to-togai-payment", enabled=False)
    invoices.pay(made["id"])
    await tandem.drain()
    unpaid = invoices.togai(invoice)["status"]
    await tandem.link("stripe-invoice-payment-to-togai-payment")
    await invoices.decide("resync", invoice)

    assert (before, unpaid) == ([], "DUE")
    assert (invoices.togai(invoice)["status"], len(invoices.payments())) == ("PAID", 1)
