"""Stripe sends an invoice to its customer by e-mail, once: where an earlier call may have done it, its events tell."""

from __future__ import annotations

from typing import NamedTuple

from shared.apps.stripe.client import StripeApp
from shared.domains.invoices.stripe import InvoiceSent, InvoiceToSend
from shared.runtime.actions import Context, Result

from invoice_sync.actions.filling import INVOICES
from invoice_sync.actions.holding import check_not_held
from invoice_sync.actions.keys import under_key


class Mail(NamedTuple):
    """A mail of an invoice, keyed by `what`. Nobody can have sent it before `since` (epoch seconds)."""

    stripe_invoice_id: str
    what: str
    since: int
    may_be_sent: bool


async def send(context: Context, wanted: InvoiceToSend) -> Result:
    """Send an invoice of Togai. Raises Waiting for one that a person holds."""
    check_not_held(context, wanted.invoice_id)
    refs = (context.ref("stripe", "invoice", wanted.stripe_invoice_id),)
    if not wanted.is_sent:
        return Result(InvoiceSent(sent=False), False, ("Stripe charges it: it is not sent",), refs)
    source, again = context.ref("togai", "invoice", wanted.invoice_id), not wanted.is_new or context.run.attempts > 1
    mail = Mail(wanted.stripe_invoice_id, source, wanted.finalized_at, again)
    is_new = await send_once(context, await context.client("stripe"), mail)
    return Result(InvoiceSent(sent=True), is_new, () if is_new else ("sent already",), refs)


async def send_once(context: Context, client: StripeApp, mail: Mail) -> bool:
    """Send it; False where Stripe's events tell that it was sent."""

    async def done() -> bool | None:
        async for event in client.listed("/v1/events", {"type": "invoice.sent", "created[gte]": mail.since}):
            if event["data"]["object"]["id"] == mail.stripe_invoice_id:
                return True
        return None

    async def call(key: str) -> bool:
        await client.act(INVOICES, mail.stripe_invoice_id, "send", {}, key)
        return True

    if mail.may_be_sent and await done():
        return False
    await under_key(context, "stripe.invoice.send", mail.what, call, done)
    return True
