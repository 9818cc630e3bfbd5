"""An invoice that was closed in Togai is asked for no more in Stripe. No money moves: what was paid is for people."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices import INVOICE, INVOICE_INTENT
from shared.domains.invoices.stripe import InvoiceClosed
from shared.domains.invoices.togai import InvoiceId, InvoiceStatus
from shared.errors import Rejected, Waiting
from shared.runtime.actions import Context, Ended, Result

from invoice_sync.actions.filling import INVOICES
from invoice_sync.actions.keys import under_key
from invoice_sync.actions.lowering import check_nothing_under_way, lower
from invoice_sync.actions.payments import INTENTS, with_payments
from invoice_sync.actions.refunds import asked_back
from invoice_sync.decide import CLOSED_AS, UNPAID, closing_of, moved_by_balance
from shared import money


async def read_status(context: Context, wanted: InvoiceId) -> Result:
    """What became of it. Raises Ended for one that is still to be collected, or that Stripe does not collect, Waiting
    where Togai asks for a refund.
    """
    source = context.ref("togai", "invoice", wanted.invoice_id)
    found = (context.claims_of(one.name).index.pair(source) for one in (INVOICE, INVOICE_INTENT))
    pair = next(filter(None, found), None)
    if pair is None:
        raise Ended("skipped", "nothing at Stripe collects it: there is nothing to close", (source,))
    by_intent, name = pair.relation == INVOICE_INTENT.name, context.id_of(pair.target)
    client: TogaiApp = await context.client("togai")
    status = str((await client.invoice(wanted.invoice_id)).get("status"))
    if status == "REFUND_INITIATED":
        raise await asked_back(context, pair)
    if status not in CLOSED_AS:
        raise Ended("skipped", f"it is {status}: nothing is to be closed", pair.refs)
    given = {"invoice_id": wanted.invoice_id, "status": status}
    kind = "payment_intent" if by_intent else "stripe_invoice_id"
    return Result(InvoiceStatus.model_validate(given | {kind: name}), False, (), pair.refs)


async def close(context: Context, wanted: InvoiceStatus) -> Result:
    """Void it, give it up, or mark it as paid outside of Stripe; a payment intent is canceled. Raises Waiting where
    money came, or is under way.
    """
    client: StripeApp = await context.client("stripe")
    if wanted.payment_intent:
        return await _cancel(context, client, wanted)
    refs = (context.ref("stripe", "invoice", wanted.stripe_invoice_id),)
    invoice = await with_payments(client, wanted.stripe_invoice_id)
    verb, params, note = closing_of(invoice, wanted.status)
    if not verb:
        return Result(InvoiceClosed(status=str(invoice["status"])), False, (note,) if note else (), refs)
    if wanted.status == "PAID" and (from_before := moved_by_balance(invoice)) > 0:
        return await _close_its_own(context, invoice, from_before)
    await check_nothing_under_way(client, invoice, f"Togai's invoice is {wanted.status}")
    what = f"{wanted.stripe_invoice_id} {verb}"
    closed = await under_key(
        context,
        "stripe.invoice.close",
        what,
        lambda key: client.act(INVOICES, wanted.stripe_invoice_id, verb, params, key),
    )
    return Result(InvoiceClosed(status=str(closed["status"])), True, (f"it is {closed['status']} now",), refs)


async def _close_its_own(context: Context, invoice: dict[str, Any], from_before: int) -> Result:
    """Of one that asks for what its customer owed from before, too, only what Togai's invoice came to is closed: out of
    band the whole would count as paid. Raises Waiting for one that Stripe gave up, and as `lower` does.
    """
    stripe_id, currency = str(invoice["id"]), str(invoice["currency"]).upper()
    owed = f"{money.major(min(from_before, int(invoice['amount_remaining'])), currency)} {currency}"
    if invoice["status"] != "open":
        why = f"Togai's invoice is paid, and {stripe_id} is {invoice['status']} with {owed} that are owed from before"
        raise Waiting(f"{why}: close it in Stripe by hand", code="owed_from_before")
    ref = context.ref("stripe", "invoice", stripe_id)
    pair = context.claims_of(INVOICE.name).index.pair(ref)
    lowered = await lower(context, invoice, pair, 0) if pair else ""
    notes = (*filter(None, (lowered,)), f"{stripe_id} stays open: {owed} of it are owed from before")
    return Result(InvoiceClosed(status="open"), bool(lowered), notes, (ref,))


async def _cancel(context: Context, client: StripeApp, wanted: InvoiceStatus) -> Result:
    """Nobody can confirm a canceled intent. One that was paid, or whose payment is under way, cannot be canceled."""
    name = wanted.payment_intent
    refs = (context.ref("stripe", "payment_intent", name),)

    async def done() -> dict[str, Any] | None:
        found = await client.retrieve(INTENTS, name)
        return None if found["status"] in UNPAID else found

    intent, was_open = await done(), False
    if intent is None:
        was_open = True
        what = f"{name} cancel"
        try:
            intent = await under_key(
                context,
                "stripe.payment_intent.cancel",
                what,
                lambda key: client.act(INTENTS, name, "cancel", {}, key),
                done,
            )
        except Rejected:
            # Its customer may have confirmed it meanwhile.
            if (intent := await done()) is None:
                raise
    if intent["status"] == "canceled":
        note = "it is canceled now" if was_open else "it is canceled already"
        return Result(InvoiceClosed(status=CLOSED_AS[wanted.status]), was_open, (note,), refs)
    if intent["status"] == "succeeded" and wanted.status != "VOID":
        return Result(InvoiceClosed(status="paid"), False, ("it is paid already",), refs)
    raise _uncancelable(intent, wanted.status)


def _uncancelable(intent: dict[str, Any], status: str) -> Waiting:
    if intent["status"] == "succeeded":
        why = (
            f"Togai's invoice is void, and {intent['id']} was paid in Stripe ({intent['amount_received']} minor units)"
        )
        return Waiting(f"{why}: refund it there, or bring the invoice back to DUE", code="paid_and_void")
    return Waiting(
        f"{intent['id']} is on its way, which Stripe does not cancel, and Togai's invoice is {status}: this goes on "
        "when it has arrived or failed",
        code="payment_under_way",
    )
