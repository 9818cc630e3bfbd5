"""A refund that Togai asks for: a person makes it in Stripe. Tandem never moves money back by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.domains.invoices import INVOICE_INTENT
from shared.errors import Waiting
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Ended

from invoice_sync.actions.payments import INTENTS, with_payments
from invoice_sync.actions.states import objects_of, objects_of_intent
from invoice_sync.states import gathered, outcome_of
from shared import money


async def asked_back(context: Context, pair: Mapping) -> Ended | Waiting:
    """What comes of an invoice that is REFUND_INITIATED in Togai: it waits until what was paid is given back. `pair` is
    what collects it at Stripe.
    """
    client: StripeApp = await context.client("stripe")
    name = context.id_of(pair.target)
    currency, objects = await _collected_by(client, pair.relation, name)
    found = outcome_of(gathered([one async for one in objects]), currency)
    if not found.paid:
        return Ended("skipped", "nothing was paid of it in Stripe: whoever took the money gives it back", pair.refs)
    if found.refunded >= found.paid:
        return Ended("in_sync", "what was paid was given back in Stripe", pair.refs)
    rest = f"{money.major(found.paid - found.refunded, currency)} {currency}"
    why = f"Togai asks for a refund: {rest} of {name} were paid in Stripe and not given back. Refund them there"
    return Waiting(why, code="refund_asked")


async def _collected_by(client: StripeApp, relation: str, name: str) -> tuple[str, AsyncIterator[dict[str, Any]]]:
    """The currency of an invoice or a payment intent, and all that belongs to it."""
    if relation == INVOICE_INTENT.name:
        intent = await client.retrieve(INTENTS, name, {"expand[]": "latest_charge"})
        return str(intent["currency"]).upper(), objects_of_intent(client, intent, ask=True)
    invoice = await with_payments(client, name)
    return str(invoice["currency"]).upper(), objects_of(client, invoice)
