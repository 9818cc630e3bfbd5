"""What was paid elsewhere is asked for no more in Stripe: a credit note lowers what is open by the same."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.domains.invoices.stripe import INVOICE_ID
from shared.errors import Waiting
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context

from invoice_sync.actions.filling import INVOICES
from invoice_sync.actions.keys import under_key
from invoice_sync.actions.payments import INTENTS, with_payments
from invoice_sync.decide import too_much
from shared import money

CREDIT_NOTES = "/v1/credit_notes"
UNDER_WAY = "processing"


async def lower(context: Context, invoice: dict[str, Any], held: Mapping, rest: int) -> str:
    """Make an open invoice ask for no more than Togai does: the rest, in minor units. Returns what was done, empty for
    nothing.

    Raises Waiting for an invoice that Tandem did not make, and while a payment of it is under way.
    """
    over = too_much(invoice, rest)
    if over <= 0:
        return ""
    client: StripeApp = await context.client("stripe")
    stripe_id, currency = str(invoice["id"]), str(invoice["currency"]).upper()
    said = f"{money.major(over, currency)} {currency} were paid elsewhere"
    by_hand = Waiting(
        f"{said}, and Stripe invoice {stripe_id} still asks for them: give a credit note of that amount in Stripe",
        code="paid_elsewhere",
    )
    if not held.is_made:
        raise by_hand
    await check_nothing_under_way(client, await with_payments(client, stripe_id), said)

    async def done() -> dict[str, Any] | None:
        found = await client.retrieve(INVOICES, stripe_id)
        return found if too_much(found, rest) <= 0 else None

    body = {
        "invoice": stripe_id,
        "amount": over,
        "memo": said,
        "email_type": "none",
        "metadata": {INVOICE_ID: context.id_of(held.source)},
    }
    what = f"{stripe_id} {int(invoice.get('pre_payment_credit_notes_amount') or 0)} {over}"
    action = "stripe.credit_note.create"
    await under_key(context, action, what, lambda key: client.create(CREDIT_NOTES, body, key), done)
    if await done() is None:  # one of the same amount was voided since: its key answers for the former one
        raise by_hand
    return f"{said}: a credit note lowers Stripe invoice {stripe_id} by the same"


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
