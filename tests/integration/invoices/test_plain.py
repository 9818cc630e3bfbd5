"""Plain actions in a flow of one's own: each does its operation once, and none goes round the penny gate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from shared.apps.stripe.app import Stripe
from shared.connections import FlowLink, encode
from shared.domains.flow import Flow, FlowStep
from shared.flows.runs import Run

from tests.integration.invoices.conftest import OUT, Invoices
from tests.stack.in_process import InProcess

READ = FlowStep(id="facts", action="togai.invoice.read", input={"invoice_id": "{{ trigger.invoice_id }}"})
FACTS = ("invoice_id", "account_id", "number", "currency", "total", "lines", "due_date", "net_term_days")
OBJECT = FlowStep(
    id="object",
    action="togai.invoice.transform",
    input={name: f"{{{{ steps.facts.{name} }}}}" for name in FACTS},
)
MADE = FlowStep(id="made", action="stripe.invoice.add", input={"invoice": "{{ steps.object.invoice }}"})
NAMED = {"stripe_invoice_id": "{{ steps.made.stripe_invoice_id }}"}
FINAL = FlowStep(id="final", action="stripe.draft_invoice.finalize", input=NAMED)
SENT = FlowStep(id="sent", action="stripe.open_invoice.send", input=NAMED)


def own_invoice(customer: str) -> FlowStep:
    """An invoice that has nothing to do with Togai's."""
    lines = [{"id": "a", "description": "Advice", "amount": 1200}, {"id": "b", "description": "Travel", "amount": 300}]
    made = {"customer_id": customer, "currency": "USD", "days_until_due": 10, "metadata": {"mine": "1"}, "lines": lines}
    return FlowStep(id="made", action="stripe.invoice.add", input={"invoice": made})


async def own_flow(tandem: InProcess, *steps: FlowStep, trigger: str = "togai.invoice.generated") -> None:
    """A person's flow, linked."""
    flow = Flow(id="own", title="Own", direction="outbound", trigger=trigger, steps=steps)
    await tandem.log.append(tandem.topics.flows, flow.id, flow.model_dump_json().encode())
    await tandem.link(flow.id)


def own_run(tandem: InProcess) -> Run:
    return [run for run in tandem.runs() if run.flow == "own"][-1]


def code_of(run: Run) -> tuple[str, str]:
    return run.state, run.problem.code if run.problem else ""


async def test_togais_invoice_is_made_finalized_and_sent(invoices: Invoices, tandem: InProcess) -> None:
    """By the flow alone; what is paid of it is counted, as of any other."""
    await tandem.link(OUT, enabled=False)
    await own_flow(tandem, READ, OBJECT, MADE, FINAL, SENT)
    invoice = await invoices.generated("49.50", "0.01", tax="5")
    [made] = invoices.stripe()
    invoices.pay(made["id"])
    await tandem.drain()

    assert own_run(tandem).state == "succeeded"
    assert (made["total"], made["total_excluding_tax"], len(invoices.mails())) == (5451, 4951, 1)
    assert made["metadata"]["togai_invoice_id"] == invoice
    assert (invoices.togai(invoice)["status"], len(invoices.payments())) == ("PAID", 1)


async def test_both_flows_make_one_invoice(invoices: Invoices, tandem: InProcess) -> None:
    """Whichever comes first, the other finds it made; it is sent once."""
    await own_flow(tandem, READ, OBJECT, MADE, FINAL)
    invoice = await invoices.generated("10")
    await invoices.bring(invoice, "invoice.updated")

    assert [(made["status"], made["total"]) for made in invoices.stripe()] == [("open", 1000)]
    assert (own_run(tandem).state, len(invoices.mails()), tandem.letters()) == ("succeeded", 1, [])


async def test_a_draft_that_is_not_right_is_not_finalized(invoices: Invoices, tandem: InProcess) -> None:
    """The gate compares with what Togai asks for now, not with what the flow made of it."""
    await tandem.link(OUT, enabled=False)
    await own_flow(tandem, READ, OBJECT, MADE, FINAL)

    async def meddle() -> None:
        body = {"lines[0][amount]": "100", "lines[0][description]": "Extra"}
        tandem.call("stripe", "POST", f"/v1/invoices/{invoices.stripe()[0]['id']}/add_lines", data=body)

    tandem.before_write("invoices.retrieve", meddle)
    await invoices.generated("10")
    [made] = invoices.stripe()

    assert (made["status"], made["metadata"]["togai_held"]) == ("draft", "Togai 1000, here 1100")
    assert "comes to 11.00 USD" in str(tandem.letters()[0])


@pytest.mark.parametrize("change", ["void", "hold"])
async def test_what_is_not_to_be_collected_is_not_finalized(invoices: Invoices, tandem: InProcess, change: str) -> None:
    """Void in Togai, or held by a person, after the draft was made."""
    await tandem.link(OUT, enabled=False)
    await own_flow(tandem, READ, OBJECT, MADE, FINAL, SENT)
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "invoices.finalize"}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("10")
    if change == "void":
        invoices.change(invoice, status="VOID")
    else:
        await invoices.decide("hold", invoice)
    await tandem.recheck()

    assert [made["status"] for made in invoices.stripe()] == ["draft"]
    assert code_of(own_run(tandem)) == (("skipped", "") if change == "void" else ("parked", "held"))
    assert invoices.mails() == []


async def test_a_draft_is_not_sent(invoices: Invoices, tandem: InProcess) -> None:
    """Stripe would finalize it with that, unseen by any gate."""
    await tandem.link(OUT, enabled=False)
    await own_flow(tandem, READ, OBJECT, MADE, SENT)
    await invoices.generated("10")

    assert code_of(own_run(tandem)) == ("parked", "draft")
    assert ([made["status"] for made in invoices.stripe()], invoices.mails()) == (["draft"], [])


async def test_a_flow_that_cannot_ask_togai_finalizes_no_mirror_of_it(invoices: Invoices, tandem: InProcess) -> None:
    """It says what to do instead."""
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "invoices.finalize"}
    alone = FlowStep(
        id="final",
        action="stripe.draft_invoice.finalize",
        input={"stripe_invoice_id": "{{ trigger.invoice_id }}"},
    )
    await own_flow(tandem, alone, trigger="stripe.invoice.overpaid")
    link = FlowLink(id="own", flow="own", connections={"stripe": "stripe"}, enabled=True)
    await tandem.log.append(tandem.topics.flow_links, link.id, encode(link))
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        await invoices.generated("10")
        [draft] = invoices.stripe()
        invoices.report("invoice.overpaid", draft["id"])
        await tandem.drain()

    assert [made["status"] for made in invoices.stripe()] == ["draft"]
    assert any("no connection to Togai" in str(letter) for letter in tandem.letters())


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize("operation", ["create", "add_lines", "finalize", "send"])
async def test_an_invoice_of_ones_own_is_made_once(
    operation: str, forgotten: bool, invoices: Invoices, tandem: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer came, though it was done: sent again under the same key, or found if Stripe may have forgotten it."""
    if forgotten:
        monkeypatch.setattr(Stripe, "keys_kept_for", timedelta())
    [customer] = tandem.customers()
    await tandem.link(OUT, enabled=False)
    await own_flow(tandem, own_invoice(customer["id"]), FINAL, SENT)
    match = {"operation": f"invoices.{operation}", "account": tandem.accounts["stripe"]["id"]}
    with tandem.control.fault(app="stripe", kind="cut_after", match=match, times=1) as fired:
        await invoices.generated("10")
        struck = fired()
    await tandem.recheck()
    [made] = invoices.stripe()

    assert (own_run(tandem).state, struck) == ("succeeded", 1)
    assert (made["status"], made["total"], made["metadata"]["mine"]) == ("open", 1500, "1")
    assert sorted(invoices.lines(made["id"])) == [("Advice", 1200), ("Travel", 300)]
    assert len(invoices.mails()) == 1


MARK: dict[str, Any] = {"invoice_id": "{{ trigger.invoice_id }}", "transaction": "cheque 7", "source": "bank"}


@pytest.mark.parametrize(("amount", "status"), [("", "PAID"), ("4.5", "PARTIALLY_PAID")])
async def test_an_invoice_is_marked_paid_once(invoices: Invoices, tandem: InProcess, amount: str, status: str) -> None:
    """Under its number, whichever event asks for it and however often; Togai's answer may have been lost."""
    await tandem.link(OUT, enabled=False)
    await own_flow(tandem, FlowStep(id="paid", action="togai.invoice.mark_paid", input=MARK | {"amount": amount}))
    invoice = await invoices.generated("10")
    await invoices.bring(invoice)

    assert invoices.payments() == [("cheque 7", amount or "10")]
    assert (invoices.togai(invoice)["status"], own_run(tandem).state) == (status, "in_sync")


async def test_no_more_is_marked_than_is_open(invoices: Invoices, tandem: InProcess) -> None:
    """A person decides."""
    await tandem.link(OUT, enabled=False)
    await own_flow(tandem, FlowStep(id="paid", action="togai.invoice.mark_paid", input=MARK | {"amount": "10.01"}))
    invoice = await invoices.generated("10")

    assert (invoices.payments(), invoices.togai(invoice)["status"]) == ([], "DUE")
    assert code_of(own_run(tandem)) == ("parked", "not_open")


async def test_what_stripe_was_paid_is_not_marked_again(invoices: Invoices, tandem: InProcess) -> None:
    """One number is one payment, whoever counts it."""
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    invoices.pay(made["id"], amount=400)
    await tandem.drain()
    given = MARK | {"transaction": invoices.intent(made["id"]), "amount": "4"}
    await own_flow(tandem, FlowStep(id="paid", action="togai.invoice.mark_paid", input=given))
    await invoices.bring(invoice)

    assert [amount for _, amount in invoices.payments()] == ["4"]
    assert own_run(tandem).state == "in_sync"


async def test_what_a_flow_marked_is_not_counted_again(invoices: Invoices, tandem: InProcess) -> None:
    """Nor the other way round: it is linked with Togai alone, and names the payment before Stripe tells of it."""
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()
    invoices.pay(made["id"], amount=400)
    given = MARK | {"transaction": invoices.intent(made["id"]), "amount": "4"}
    await own_flow(tandem, FlowStep(id="paid", action="togai.invoice.mark_paid", input=given))
    invoices.tell(invoice)
    await tandem.work_off()
    first = [amount for _, amount in invoices.payments()]
    await tandem.drain()

    assert (first, [amount for _, amount in invoices.payments()]) == (["4"], ["4"])
