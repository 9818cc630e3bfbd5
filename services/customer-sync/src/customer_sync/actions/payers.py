"""Whether a new customer was made by a payment link: then it is of the account that its checkout names."""

from __future__ import annotations

import time
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.stripe.models import StripeCustomer
from shared.domains.customers.checkouts import FURTHER
from shared.domains.plans import OFFER
from shared.domains.plans.stripe import ACCOUNT, ORGANIZATION
from shared.errors import Later
from shared.identity import Ref
from shared.linking.pairs import CLOCKS_APART
from shared.runtime.actions import Context, Ended

from customer_sync.actions.pairs import end_if_unlinked

SESSIONS, LINKS = "/v1/checkout/sessions", "/v1/payment_links"
GRACE = 60.0
"""Seconds after which a new customer of whom Stripe shows no checkout was made by none."""


def account_of_further(context: Context, customer: str) -> str:
    """The account of which a customer is a further one; empty for any other."""
    pair = context.claims_of(FURTHER.name).index.pair(customer)
    return next((ref for ref in pair.also if Ref.parse(ref).noun == "account"), "") if pair else ""


async def named_by_checkout(context: Context, customer: StripeCustomer) -> str:
    """The account that a checkout of a new customer names; empty for none. Nothing is asked where nothing was offered.
    Raises Later for a young customer without a checkout while a link is open that may have made it: Stripe may show
    the customer before the checkout.
    """
    if not context.claims_of(OFFER.name).index.has_links_at(context.account("stripe")):
        return ""
    client: StripeApp = await context.client("stripe")
    # Links first: one that was paid between the two questions is closed, but its checkout is in the list then.
    open_link = "" if _is_old(context, customer) else await _open_link(context, client)
    found = False
    async for session in client.listed(SESSIONS, {"customer": customer.id}):
        found = True
        if account := _named(context, session):
            return account
    if open_link and not found:
        why = f"payment link {open_link} may have made {customer.id}: looking again in a minute"
        raise Later(why, code="checkout")
    return ""


def _is_old(context: Context, customer: StripeCustomer) -> bool:
    """Whether a checkout of it would be shown by now, by Stripe's clock or by ours."""
    by_stripe = time.time() - customer.created - CLOCKS_APART if customer.created else 0.0
    return not context.is_young(GRACE) or by_stripe >= GRACE * float(context.settings.delay_scale)


async def _open_link(context: Context, client: StripeApp) -> str:
    """A link that can be paid and names an account of the organization; empty for none."""
    async for link in client.listed(LINKS, {"active": "true"}):
        if _named(context, link):
            return str(link["id"])
    return ""


def _named(context: Context, shown: dict[str, Any]) -> str:
    """The account that the metadata of a link or of a checkout name."""
    metadata = shown.get("metadata") or {}
    ours = metadata.get(ORGANIZATION, "") in ("", context.account("togai"))
    return str(metadata.get(ACCOUNT) or "") if ours else ""


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
