"""What is sent to Togai for a Stripe customer."""

from __future__ import annotations

from itertools import count

from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai.models import NewCustomer
from shared.errors import Waiting
from shared.runtime.actions import Context

from customer_sync.decide import Currencies, togai_customer, togai_ids, unpadded


def body_of(context: Context, customer: StripeCustomer) -> tuple[NewCustomer, tuple[str, ...]]:
    """The body of the create, and what a person should know of it. Raises Waiting for what Togai demands and the
    customer lacks, and for a name that was padded, where an import is to leave such ones out.
    """
    settings = context.settings
    currencies = Currencies(settings.currency_by_country, settings.effective_default_currency)
    chosen = {key: value for key in settings.synced_metadata if (value := customer.metadata.get(key))}
    body, notes = togai_customer(
        customer, currencies, settings.stripe_customer_setting, chosen, _nth(context, customer.id)
    )
    if unpadded(body.name) != body.name and context.leaves_out("short_name"):
        raise Waiting(f"the name of {customer.id} is too short for Togai: {unpadded(body.name)!r}", code="short_name")
    return body, notes


def _nth(context: Context, customer: str) -> int:
    """An account that a person unlinked from the customer keeps the id that was derived: the next one gets another."""
    decided = context.claims.index.unlinked(context.ref("stripe", "customer", customer))
    left = {ref for mapping in decided for ref in mapping.refs}
    return next(nth for nth in count(1) if context.ref("togai", "account", togai_ids(customer, nth)[1]) not in left)
