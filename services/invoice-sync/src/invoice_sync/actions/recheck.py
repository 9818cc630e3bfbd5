"""Invoices that waited for a subscription at Stripe are looked at again once it bills no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices import INVOICE_GROUP
from shared.domains.invoices.subscriptions import InvoicesRechecked, SubscriptionChanged
from shared.domains.plans import PRICE
from shared.flows.recheck import recheck_requested
from shared.identity import Ref
from shared.runtime.actions import Context, Ended, Result

from invoice_sync.actions.covering import SUBSCRIPTIONS, accounts_of
from invoice_sync.decide import COLLECTED, bills


async def recheck(context: Context, wanted: SubscriptionChanged) -> Result:
    """News for each invoice of the account that is due and of a plan that the subscription billed. Raises Ended for a
    subscription that bills still, and for one of no plan: about that nobody is asked.
    """
    ref = context.ref("stripe", "subscription", wanted.subscription_id)
    if wanted.prices and not _plans(context, wanted.prices):
        raise Ended("skipped", "it bills no price plan of Togai", (ref,))
    client: StripeApp = await context.client("stripe")
    found = await client.retrieve(SUBSCRIPTIONS, wanted.subscription_id)
    plans = _plans(context, [str(item["price"]["id"]) for item in found["items"]["data"]])
    if not plans:
        raise Ended("skipped", "it bills no price plan of Togai", (ref,))
    if bills(found):
        raise Ended("skipped", f"it is {found['status']}: invoices of its plan wait", (ref,))
    accounts = accounts_of(context, str(found["customer"]), wanted.subscription_id)
    invoices: list[str] = []
    for account in sorted(accounts):
        invoices += [invoice async for invoice in _due(context, account, plans)]
    for group in await _groups(context, str(found["customer"]), accounts):
        # What the plans of a group's invoice are, Togai may leave out.
        invoices += [invoice async for invoice in _due(context, group, plans | {""})]
    for invoice in invoices:
        aggregate = context.ref("togai", "invoice", invoice)
        event_id, now = f"{context.run.event}-{invoice}", datetime.now(UTC)
        recheck = recheck_requested(aggregate, event_id, context.connection("togai"), now, cause=context.run.id)
        await context.send_event(context.topics.events(context.domain.noun), recheck)
    notes = (f"it is {found['status']}: {len(invoices)} invoices of its plan are looked at again",)
    return Result(InvoicesRechecked(invoices=invoices), bool(invoices), notes, (ref,))


def _plans(context: Context, prices: list[str]) -> set[str]:
    """The plans of Togai that prices belong to."""
    index = context.claims_of(PRICE.name).index
    pairs = [index.pair(context.ref("stripe", "price", price)) for price in prices]
    return {Ref.parse(pair.source).id.partition(":")[0] for pair in pairs if pair}


async def _groups(context: Context, customer: str, accounts: set[str]) -> list[str]:
    """The invoice groups whose own customer somebody at Stripe is, and those that accounts are of."""
    client: TogaiApp = await context.client("togai")
    pairs = context.claims_of(INVOICE_GROUP.name).index.holders_of(context.ref("stripe", "customer", customer))
    found = {Ref.parse(pair.source).id for pair in pairs if pair.source.startswith(f"{context.account('togai')}/")}
    for account in sorted(accounts):
        found.add(await client.group_of(account))
    return sorted(found - {""})


async def _due(context: Context, owner: str, plans: set[str]) -> AsyncIterator[str]:
    client: TogaiApp = await context.client("togai")
    for status in COLLECTED:
        token, more = "", True
        while more:
            page = await client.invoices(status, token, owner=owner)
            for row in page.rows:
                if (row.get("pricePlanId") or "") in plans:
                    yield str(row["id"])
            token = page.token
            more = bool(token and page.rows)
