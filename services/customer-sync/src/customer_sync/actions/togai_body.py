"""What is sent to Togai for a Stripe customer."""

from __future__ import annotations

from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai.models import NewCustomer
from shared.errors import Waiting
from shared.runtime.actions import Context

from customer_sync.decide import Currencies, togai_customer, unpadded


def body_of(context: Context, customer: StripeCustomer) -> tuple[NewCustomer, tuple[str, ...]]:
    """The body of the create, and what a person should know of it. Raises Waiting for what Togai demands and the
    customer lacks, and for a name that was padded, where an import is to leave such ones out.
    """
    settings = context.settings
    currencies = Currencies(settings.currency_by_country, settings.effective_default_currency)
    chosen = {key: value for key in settings.synced_metadata if (value := customer.metadata.get(key))}
    body, notes = togai_customer(customer, currencies, settings.stripe_customer_setting, chosen)
    if unpadded(body.name) != body.name and context.leaves_out("short_name"):
        raise Waiting(f"the name of {customer.id} is too short for Togai: {unpadded(body.name)!r}", code="short_name")
    return body, notes
