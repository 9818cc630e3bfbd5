"""An invoice that was closed in Togai is asked for no more in Stripe. No money moves: what was paid is for people."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices import INVOICE
from shared.domains.invoices.stripe import InvoiceClosed
from shared.domains.invoices.togai import InvoiceId, InvoiceStatus
from shared.errors import Waiting
from shared.runtime.actions import Context, Ended, Result

from invoice_sync.actions.filling import INVOICES
from invoice_sync.actions.keys import under_key
from invoice_sync.actions.payments import INTENTS, with_payments
from invoice_sync.actions.refunds import asked_back
from invoice_sync.decide import closing_of

UNDER_WAY = "processing"


async def read_status(context: Context, wanted: InvoiceId) -> Result:
    """What became of it. Raises Ended for one that is still to be collected, or that Stripe does not collect, Waiting
    where Togai asks for a refund.
    """
    source = context.ref("togai", "invoice", wanted.invoice_id)
    pair = context.claims_of(INVOICE.name).index.pair(source)
    if pair is None:
        raise Ended("skipped", "no Stripe invoice collects it: there is nothing to close", (source,))
    stripe_invoice = context.id_of(pair.target)
    client: TogaiApp = await context.client("togai")
    status = str((await client.invoice(wanted.invoice_id)).get("status"))
    if status == "REFUND_INITIATED":
        raise await asked_back(context, stripe_invoice, pair.refs)
    if status not in ("VOID", "UN_COLLECTIBLE", "PAID"):
        raise Ended("skipped", f"it is {status}: nothing is to be closed", pair.refs)
    found = InvoiceStatus.model_validate(
        {"invoice_id": wanted.invoice_id, "stripe_invoice_id": stripe_invoice, "status": status}
    )
    return Result(found, False, (), pair.refs)


async def close(context: Context, wanted: InvoiceStatus) -> Result:
    """Void it, give it up, or mark it as paid outside of Stripe. Raises Waiting where money came, or is under way."""
    client: StripeApp = await context.client("stripe")
    refs = (context.ref("stripe", "invoice", wanted.stripe_invoice_id),)
    invoice = await with_payments(client, wanted.stripe_invoice_id)
    verb, params, note = closing_of(invoice, wanted.status)
    if not verb:
        return Result(InvoiceClosed(status=str(invoice["status"])), False, (note,) if note else (), refs)
    await check_nothing_under_way(client, invoice, f"Togai's invoice is {wanted.status}")
    what = f"{wanted.stripe_invoice_id} {verb}"
    closed = await under_key(
        context,
        "stripe.invoice.close",
        what,
        lambda key: client.act(INVOICES, wanted.stripe_invoice_id, verb, params, key),
    )
    return Result(InvoiceClosed(status=str(closed["status"])), True, (f"it is {closed['status']} now",), refs)


async def check_nothing_under_way(client: StripeApp, invoice: dict[str, Any], but: str) -> None:
    """Raises Waiting for an invoice whose payment was begun: it may arrive in spite of what is done here."""
    for one in (invoice.get("payments") or {}).get("data") or ():
        intent = (one.get("payment") or {}).get("payment_intent")
        if one.get("status") != "open" or not intent:
            continue
        if (await client.retrieve(INTENTS, str(intent))).get("status") == UNDER_WAY:
            raise Waiting(
                f"{intent} is on its way for {invoice['id']}, and {but}: this goes on when it has arrived or failed",
                code="payment_under_way",
            )
