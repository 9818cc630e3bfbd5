"""What was paid elsewhere in part is asked for no more in Stripe: a credit note lowers what is open by the same."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.domains.invoices.stripe import INVOICE_ID
from shared.domains.invoices.togai import InvoiceFacts
from shared.errors import Waiting
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context

from invoice_sync.actions.closing import check_nothing_under_way
from invoice_sync.actions.filling import INVOICES
from invoice_sync.actions.keys import under_key
from invoice_sync.actions.payments import with_payments
from invoice_sync.decide import too_much
from shared import money

CREDIT_NOTES = "/v1/credit_notes"


async def lower(context: Context, invoice: dict[str, Any], held: Mapping, wanted: InvoiceFacts) -> str:
    """Make an open invoice ask for no more than Togai does. Returns what was done, empty for nothing.

    Raises Waiting for an invoice that Tandem did not make, and while a payment of it is under way.
    """
    over = too_much(invoice, wanted.total)
    if over <= 0:
        return ""
    client: StripeApp = await context.client("stripe")
    stripe_id, said = str(invoice["id"]), f"{money.major(over, wanted.currency)} {wanted.currency} were paid elsewhere"
    by_hand = Waiting(
        f"{said}, and Stripe invoice {stripe_id} still asks for them: give a credit note of that amount in Stripe",
        code="paid_elsewhere",
    )
    if not held.is_made:
        raise by_hand
    await check_nothing_under_way(client, await with_payments(client, stripe_id), said)

    async def done() -> dict[str, Any] | None:
        found = await client.retrieve(INVOICES, stripe_id)
        return found if too_much(found, wanted.total) <= 0 else None

    body = {
        "invoice": stripe_id,
        "amount": over,
        "memo": said,
        "email_type": "none",
        "metadata": {INVOICE_ID: wanted.invoice_id},
    }
    what = f"{stripe_id} {int(invoice.get('pre_payment_credit_notes_amount') or 0)} {over}"
    action = "stripe.credit_note.create"
    await under_key(context, action, what, lambda key: client.create(CREDIT_NOTES, body, key), done)
    if await done() is None:  # one of the same amount was voided since: its key answers for the former one
        raise by_hand
    return f"{said}: a credit note lowers Stripe invoice {stripe_id} by the same"
