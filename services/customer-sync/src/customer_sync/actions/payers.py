"""Whether a new customer was made by a payment link: then it is of the account that its checkout names."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.apps.stripe.client import StripeApp
from shared.domains.customers.checkouts import FURTHER
from shared.domains.plans import OFFER
from shared.domains.plans.stripe import ACCOUNT, ORGANIZATION
from shared.errors import Later
from shared.identity import Ref
from shared.runtime.actions import Context, Ended

from customer_sync.actions.pairs import end_if_unlinked

SESSIONS = "/v1/checkout/sessions"
GRACE = 60.0
"""Seconds after which a new customer of whom Stripe shows no checkout was made by none."""


def account_of_further(context: Context, customer: str) -> str:
    """The account of which a customer is a further one; empty for any other."""
    pair = context.claims_of(FURTHER.name).index.pair(customer)
    return next((ref for ref in pair.also if Ref.parse(ref).noun == "account"), "") if pair else ""


async def named_by_checkout(context: Context, customer_id: str) -> str:
    """The account that a checkout of a new customer names; empty for none. Nothing is asked where nothing was offered.
    Raises Later for a young customer without a checkout: Stripe may show the customer before it.
    """
    if not context.claims_of(OFFER.name).index.has_links_at(context.account("stripe")):
        return ""
    client: StripeApp = await context.client("stripe")
    found = False
    async for session in client.listed(SESSIONS, {"customer": customer_id}):
        found, metadata = True, session.get("metadata") or {}
        if metadata.get(ACCOUNT) and metadata.get(ORGANIZATION, "") in ("", context.account("togai")):
            return str(metadata[ACCOUNT])
    age = (datetime.now(UTC) - datetime.fromisoformat(context.run.started_at)).total_seconds()
    if not found and age < GRACE * float(context.settings.delay_scale):
        raise Later(f"a payment link may have made {customer_id}: looking again in a minute", code="checkout")
    return ""


async def end_if_further(context: Context, customer: str, account_id: str) -> None:
    """Raises Ended for a customer whose checkout names an account that has another one, or that a person unlinked: no
    account is made for it.
    """
    account = context.ref("togai", "account", account_id) if account_id else account_of_further(context, customer)
    pair = context.claims.index.pair(account) if account else None
    if account_id and pair is None:
        end_if_unlinked(context, account)
    if pair is not None and customer not in pair.refs:
        name = Ref.parse(account).id
        why = f"a checkout of it names account {name}, which has another Stripe customer: it is a further one"
        raise Ended("skipped", why, (customer, account))
