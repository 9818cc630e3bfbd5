"""What is closed at one side is asked for at neither; where money came, people decide."""

from __future__ import annotations

import pytest
from console.projection.run_progress import progress_of
from shared.domains.invoices.progress import known_of

from tests.integration.invoices.conftest import Invoices
from tests.integration.invoices.test_console import command
from tests.integration.invoices.test_console import console as console
from tests.stack.console import Console
from tests.stack.in_process import InProcess


@pytest.mark.parametrize(
    ("closed", "status"), [("VOID", "void"), ("UN_COLLECTIBLE", "uncollectible"), ("PAID", "paid")]
)
async def test_what_togai_closed_is_asked_for_no_more(
    invoices: Invoices, tandem: InProcess, closed: str, status: str
) -> None:
    """Nobody pays what is void, given up, or paid elsewhere; of the last no payment is counted. Once is enough."""
    invoice = await invoices.generated("10")
    invoices.change(invoice, status=closed)
    await invoices.bring(invoice, "invoice.updated")
    writes = tandem.writes()
    await invoices.bring(invoice, "invoice.updated")

    assert ([made["status"] for made in invoices.stripe()], invoices.payments()) == ([status], [])
    assert (tandem.writes(), tandem.letters()) == (writes, [])


async def test_what_was_paid_and_is_void_is_for_people(invoices: Invoices, tandem: InProcess) -> None:
    """Tandem moves no money back: the run waits and says what to do."""
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    invoices.pay(made["id"], amount=400)
    invoices.change(invoice, status="VOID")
    await invoices.bring(invoice, "invoice.updated")
    parked = [run for run in tandem.runs() if run.state == "parked"]

    assert [made["status"] for made in invoices.stripe()] == ["open"]
    assert {run.problem.code for run in parked if run.problem} == {"paid_and_void", "not_open"}


def notes(tandem: InProcess, invoice: str) -> list[int]:
    """The amounts of an invoice's credit notes, the newest first."""
    found = tandem.call("stripe", "GET", "/v1/credit_notes", params={"invoice": invoice})
    return [row["amount"] for row in found["data"]]


async def test_what_was_paid_elsewhere_in_part_is_asked_for_no_more(invoices: Invoices, tandem: InProcess) -> None:
    """To the cent, each part once, without a mail; what Stripe still asks for closes both when it is paid."""
    invoice = await invoices.generated("50")
    [made] = invoices.stripe()
    seen = []
    for paid in ("20.01", "20.01", "30"):
        invoices.change(invoice, status="PARTIALLY_PAID", paid=paid)
        await invoices.bring(invoice, "invoice.updated")
        await invoices.bring(invoice, "invoice.updated")
        seen.append((invoices.stripe()[0]["amount_remaining"], notes(tandem, made["id"])))
    invoices.pay(made["id"])
    await tandem.drain()

    assert seen == [(2999, [2001]), (2999, [2001]), (2000, [999, 2001])]
    assert [amount for _, amount in invoices.payments()] == ["20"]
    assert (invoices.togai(invoice)["status"], len(invoices.mails()), tandem.letters()) == ("PAID", 1, [])


def owe(tandem: InProcess, amount: int) -> None:
    """The customer owes so many cents at Stripe from before: its next invoice asks for them."""
    [customer] = tandem.customers()
    body = {"amount": amount, "currency": "usd"}
    tandem.call("stripe", "POST", f"/v1/customers/{customer['id']}/balance_transactions", data=body)


@pytest.mark.parametrize(("here", "credited"), [(1000, []), (400, [600]), (0, [1000])])
async def test_what_was_owed_from_before_is_not_closed_with_it(
    invoices: Invoices, tandem: InProcess, here: int, credited: list[int]
) -> None:
    """Paid in Stripe, elsewhere, or both: the debt that Stripe asked for with it stays open, and is no payment."""
    owe(tandem, 5000)
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    if here:
        invoices.pay(made["id"], amount=here)
        await tandem.drain()
    if credited:
        invoices.change(invoice, status="PAID", paid="10")
    await invoices.bring(invoice, "invoice.updated")
    await invoices.bring(invoice, "invoice.updated")
    [after] = invoices.stripe()
    lowered = notes(tandem, made["id"])
    invoices.pay(made["id"])
    await tandem.drain()

    assert (after["status"], after["amount_remaining"], lowered) == ("open", 5000, credited)
    assert [amount for _, amount in invoices.payments()] == ([f"{here // 100}"] if here else [])
    assert (invoices.togai(invoice)["status"], invoices.stripe()[0]["status"]) == ("PAID", "paid")


async def test_a_credit_note_that_somebody_voided_is_not_given_again(invoices: Invoices, tandem: InProcess) -> None:
    """Stripe has the answer of the former one under the key: the run says what is asked for too much."""
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    invoices.change(invoice, status="PARTIALLY_PAID", paid="4")
    await invoices.bring(invoice, "invoice.updated")
    [note] = tandem.call("stripe", "GET", "/v1/credit_notes", params={"invoice": made["id"]})["data"]
    tandem.call("stripe", "POST", f"/v1/credit_notes/{note['id']}/void")
    await invoices.bring(invoice, "invoice.updated")
    run = invoices.last_run(invoice)

    assert (run.state, run.problem and run.problem.code) == ("parked", "paid_elsewhere")
    assert (invoices.stripe()[0]["amount_remaining"], notes(tandem, made["id"])) == (1000, [400])


async def test_a_part_paid_here_and_a_part_elsewhere(invoices: Invoices, tandem: InProcess) -> None:
    """What was paid in Stripe stays paid: only what is still open is lowered."""
    invoice = await invoices.generated("50")
    [made] = invoices.stripe()
    invoices.pay(made["id"], amount=3000)
    await tandem.drain()
    invoices.change(invoice, status="PARTIALLY_PAID", paid="45")
    await invoices.bring(invoice, "invoice.updated")
    [after] = invoices.stripe()

    assert (after["amount_paid"], after["amount_remaining"], notes(tandem, made["id"])) == (3000, 500, [1500])


async def test_a_credit_note_that_somebody_gave_before_is_enough(invoices: Invoices, tandem: InProcess) -> None:
    """It is not given again."""
    invoice = await invoices.generated("50")
    [made] = invoices.stripe()
    tandem.call("stripe", "POST", "/v1/credit_notes", data={"invoice": made["id"], "amount": "2000"})
    invoices.change(invoice, status="PARTIALLY_PAID", paid="20")
    await invoices.bring(invoice, "invoice.updated")

    assert (notes(tandem, made["id"]), invoices.last_run(invoice).state) == ([2000], "in_sync")


async def test_a_payment_that_is_under_way_comes_first(invoices: Invoices, tandem: InProcess) -> None:
    """It may pay what was paid elsewhere too: nothing is lowered until it has arrived or failed."""
    invoice = await invoices.generated("50")
    [made] = invoices.stripe()
    invoices.pay(made["id"], "processing")
    invoices.change(invoice, status="PARTIALLY_PAID", paid="20")
    await invoices.bring(invoice, "invoice.updated")
    waiting = invoices.last_run(invoice)
    before = notes(tandem, made["id"])
    invoices.pay(made["id"], "failed")
    await tandem.drain()
    await tandem.recheck()

    assert (waiting.problem and waiting.problem.code, waiting.state, before) == ("payment_under_way", "parked", [])
    assert notes(tandem, made["id"]) == [2000]


@pytest.mark.parametrize("balance", [30, -30])
async def test_what_the_balance_puts_on_an_invoice_was_paid_nowhere(
    invoices: Invoices, tandem: InProcess, balance: int
) -> None:
    """Stripe asks for more or less than the invoice then, and the pair is in step all the same."""
    [customer] = tandem.customers()
    body = {"amount": balance, "currency": "usd"}
    tandem.call("stripe", "POST", f"/v1/customers/{customer['id']}/balance_transactions", data=body)
    invoice = await invoices.generated("50")
    await invoices.bring(invoice, "invoice.updated")

    assert [made["amount_remaining"] for made in invoices.stripe()] == [5000 + balance]
    assert invoices.last_run(invoice).state == "in_sync"


@pytest.mark.parametrize(("verb", "status"), [("void", "void"), ("mark_uncollectible", "uncollectible")])
async def test_what_somebody_closed_in_stripe_is_for_people(
    invoices: Invoices, tandem: InProcess, verb: str, status: str
) -> None:
    """Togai's is still due, and nobody asks for it: the run waits and says so."""
    invoice = await invoices.generated("50")
    [made] = invoices.stripe()
    tandem.call("stripe", "POST", f"/v1/invoices/{made['id']}/{verb}")
    await invoices.bring(invoice, "invoice.updated")
    run = invoices.last_run(invoice)

    assert (run.state, run.problem and run.problem.code) == ("parked", "closed_in_stripe")
    assert [made["status"] for made in invoices.stripe()] == [status]


async def test_a_draft_that_somebody_deleted_is_for_people(invoices: Invoices, tandem: InProcess) -> None:
    """The run says what to do, whenever it looks."""
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "invoices.finalize"}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("50")
        tandem.call("stripe", "DELETE", f"/v1/invoices/{invoices.stripe()[0]['id']}")
    await tandem.recheck()
    first = invoices.last_run(invoice)
    await invoices.bring(invoice, "invoice.updated")
    second = invoices.last_run(invoice)

    assert [run.problem and run.problem.code for run in (first, second)] == ["closed_in_stripe", "closed_in_stripe"]
    assert tandem.letters() == []


async def test_a_void_invoice_that_was_credited_whole_is_done(invoices: Invoices, tandem: InProcess) -> None:
    """That is what the run asks for where a part was paid."""
    invoice = await invoices.generated("50")
    [made] = invoices.stripe()
    invoices.pay(made["id"], amount=2000)
    invoices.change(invoice, status="VOID")
    await invoices.bring(invoice, "invoice.updated")
    note = {"invoice": made["id"], "amount": "5000", "credit_amount": "2000"}
    tandem.call("stripe", "POST", "/v1/credit_notes", data=note)
    await tandem.recheck()
    closing = [run for run in tandem.runs() if run.flow == "togai-invoice-closed-to-stripe-invoice"]

    assert [run.state for run in closing] == ["in_sync"]


async def test_what_somebody_finalized_at_another_total_is_not_sent(invoices: Invoices, tandem: InProcess) -> None:
    """It went past the gate, by hand: the run says by how much; credited, it goes out."""
    match = {"operation": "invoices.finalize", "account": tandem.accounts["stripe"]["id"]}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("10")
    [draft] = invoices.stripe()
    line = {"lines[0][amount]": "500", "lines[0][description]": "A person's own"}
    tandem.call("stripe", "POST", f"/v1/invoices/{draft['id']}/add_lines", data=line)
    tandem.call("stripe", "POST", f"/v1/invoices/{draft['id']}/finalize")
    await tandem.recheck()
    run, mails = invoices.last_run(invoice), len(invoices.mails())
    note = {"invoice": draft["id"], "amount": "500", "email_type": "none"}
    tandem.call("stripe", "POST", "/v1/credit_notes", data=note)
    await tandem.drain()

    assert run.problem
    assert (run.state, run.problem.code, mails) == ("parked", "asks_too_much", 0)
    assert "asks for 15.00 USD, and 10.00 USD are to be collected" in run.problem.reason
    assert (invoices.last_run(invoice).state, len(invoices.mails())) == ("succeeded", 1)


async def test_what_somebody_took_off_in_stripe_stays_open(invoices: Invoices, tandem: InProcess) -> None:
    """It is not sent; when it is paid, Togai has what came, and a person says what becomes of the rest."""
    match = {"operation": "invoices.finalize", "account": tandem.accounts["stripe"]["id"]}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("6", "4")
    [draft] = invoices.stripe()
    line = tandem.call("stripe", "GET", f"/v1/invoices/{draft['id']}/lines")["data"][0]["id"]
    gone = {"lines[0][id]": line, "lines[0][behavior]": "delete"}
    left = tandem.call("stripe", "POST", f"/v1/invoices/{draft['id']}/remove_lines", data=gone)["total"]
    tandem.call("stripe", "POST", f"/v1/invoices/{draft['id']}/finalize")
    await tandem.recheck()
    run = invoices.last_run(invoice)
    shown = known_of(run.aggregate, map(progress_of, tandem.runs())).state
    invoices.pay(draft["id"])
    await tandem.drain()
    await tandem.recheck()
    paid, counted = invoices.togai(invoice)["status"], [amount for _, amount in invoices.payments()]
    codes = {one.problem.code for one in tandem.runs() if one.state == "parked" and one.problem}
    invoices.change(invoice, status="PAID", paid="10")
    await invoices.bring(invoice, "invoice.updated")
    await tandem.recheck()

    assert run.problem
    assert (run.state, run.problem.code, shown) == ("parked", "asks_too_little", "open")
    assert (paid, counted) == ("PARTIALLY_PAID", [f"{left // 100}"])
    assert "never_asked" in codes
    assert [one.state for one in tandem.runs() if one.state in ("parked", "dead")] == []
    assert (invoices.mails(), invoices.settings(invoice)["StripeInvoiceId"]) == ([], draft["id"])


async def test_a_payment_on_its_way_is_waited_for(invoices: Invoices, tandem: InProcess) -> None:
    """What is paid elsewhere meanwhile is not closed under it: it would be paid twice and nobody would see it."""
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    invoices.pay(made["id"], "processing")
    invoices.change(invoice, status="PAID")
    await invoices.bring(invoice, "invoice.updated")
    [waiting] = [run for run in tandem.runs() if run.state == "parked"]
    invoices.pay(made["id"], "failed")
    await tandem.recheck()

    assert waiting.problem
    assert waiting.problem.code == "payment_under_way"
    assert [made["status"] for made in invoices.stripe()] == ["paid"]
    assert invoices.payments() == []


async def test_a_refund_that_togai_asks_for_is_a_persons(
    invoices: Invoices, tandem: InProcess, console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    """It waits, with a button that leads to Stripe; no money moves until somebody refunds there. Then it is over."""
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    invoices.pay(made["id"])
    await tandem.drain()
    invoices.change(invoice, status="REFUND_INITIATED")
    await invoices.bring(invoice, "invoice.updated")
    asked = console.ask("GET", f"/api/invoices/{invoice}").json()
    page = console.ask("GET", "/invoices").text
    await command("show", invoice)
    shown = capsys.readouterr().out.replace("\n", "")
    untouched = invoices.stripe()[0]["status"]
    invoices.refund(made["id"], 400)
    await tandem.drain()
    part = console.ask("GET", f"/api/invoices/{invoice}").json()["refund_asked"]
    invoices.refund(made["id"], 600)
    await tandem.drain()
    after = console.ask("GET", f"/api/invoices/{invoice}").json()

    assert "10.00 USD" in asked["refund_asked"]
    assert "6.00 USD" in part
    assert asked["refund_url"].endswith(f"/invoices/{made['id']}")
    assert (asked["state"], asked["togai_status"]) == ("paid", "REFUND_INITIATED")
    assert ("Refund in Stripe" in page, "Togai asks for a refund" in shown, untouched) == (True, True, "paid")
    assert (after["refund_asked"], after["refund_url"], after["state"]) == ("", "", "refunded")
    assert "Refund in Stripe" not in console.ask("GET", "/invoices").text
    assert tandem.letters() == []


async def test_what_tandem_wrote_asks_for_no_refund(invoices: Invoices, tandem: InProcess, console: Console) -> None:
    """A full refund in Stripe makes Togai's REFUND_INITIATED: its event starts nothing."""
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    invoices.pay(made["id"])
    await tandem.drain()
    invoices.refund(made["id"])
    await tandem.drain()
    status = invoices.togai(invoice)["status"]
    await invoices.bring(invoice, "invoice.updated")

    assert status == "REFUND_INITIATED"
    assert console.ask("GET", f"/api/invoices/{invoice}").json()["refund_asked"] == ""
    assert [run for run in tandem.runs() if not run.ended] == []
