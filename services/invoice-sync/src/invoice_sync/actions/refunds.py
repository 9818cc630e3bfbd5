"""A refund that Togai asks for: a person makes it in Stripe. Tandem never moves money back by itself."""

from __future__ import annotations

from shared.apps.stripe.client import StripeApp
from shared.errors import Waiting
from shared.runtime.actions import Context, Ended

from invoice_sync.actions.payments import with_payments
from invoice_sync.actions.states import objects_of
from invoice_sync.states import gathered, outcome_of
from shared import money


async def asked_back(context: Context, stripe_invoice: str, refs: tuple[str, ...]) -> Ended | Waiting:
    """What comes of an invoice that is REFUND_INITIATED in Togai: it waits until what was paid is given back."""
    client: StripeApp = await context.client("stripe")
    invoice = await with_payments(client, stripe_invoice)
    currency = str(invoice["currency"]).upper()
    found = outcome_of(gathered([one async for one in objects_of(client, invoice)]), currency)
    if not found.paid:
        return Ended("skipped", "nothing was paid of it in Stripe: whoever took the money gives it back", refs)
    if found.refunded >= found.paid:
        return Ended("in_sync", "what was paid was given back in Stripe", refs)
    rest = f"{money.major(found.paid - found.refunded, currency)} {currency}"
    why = (
        f"Togai asks for a refund: {rest} of {stripe_invoice} were paid in Stripe and not given back. Refund them there"
    )
    return Waiting(why, code="refund_asked")
