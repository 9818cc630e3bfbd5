"""Nothing is billed twice: what a subscription at Stripe bills, or a checkout was paid for, is not asked for again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.customers import DOMAIN as CUSTOMERS
from shared.domains.invoices import INVOICE_GROUP
from shared.domains.plans import ATTACHED, CHECKOUT_PAYMENT, PRICE, PRODUCT
from shared.errors import Waiting
from shared.events.envelope import timestamp
from shared.identity import Ref
from shared.runtime.actions import Context

from invoice_sync.actions.groups import members_of
from invoice_sync.actions.payments import INTENTS
from invoice_sync.decide import bills, group_of, was_before

SUBSCRIPTIONS = "/v1/subscriptions"
Json = dict[str, Any]


async def covered_names(context: Context, invoice: Json) -> tuple[str, frozenset[str]]:
    """Which subscriptions bill the invoice's plan, in words, and the names of the parts that they bill.

    Both are empty where none does. Raises Waiting where the flow link holds such an invoice, and for an account whose
    payment at a checkout is not counted yet.
    """
    group, accounts = group_of(invoice), await _billed(context, invoice)
    for account in accounts:
        await _check_counted(context, account)
    found: dict[str, Json] = {}
    async for one in _billing(context, invoice, accounts):
        found[one["id"]] = one
    if not found:
        return "", frozenset()
    owner = f"invoice group {group}" if group else f"account {accounts[0]}"
    said = f"Stripe bills {owner} by subscription {', '.join(sorted(found))}: this invoice asks for the same"
    if context.option("covered") != "exclude":
        raise Waiting(f"{said}. Mark it paid or void it in Togai, or cancel the subscription", code="subscribed")
    plan = str(invoice.get("pricePlanId") or "")
    items = [item for one in found.values() for item in one["items"]["data"] if _is_of(context, item, plan)]
    return said, frozenset(str(item["price"].get("nickname") or "") for item in items) - {""}


async def _billed(context: Context, invoice: Json) -> list[str]:
    """The accounts whose plans an invoice bills: the one that owes it, or all of an invoice group. Togai is asked whose
    a group is only where something at Stripe can cover a plan.
    """
    group, owner = group_of(invoice), str(invoice.get("ownerId") or "")
    if not group:
        return [owner] if owner else []
    attached = context.claims_of(ATTACHED.name).index.has_links_at(context.account("togai"))
    if not attached and not _sold(context, ""):
        return []
    return await members_of(await context.client("togai"), group)


async def _check_counted(context: Context, account: str) -> None:
    """Raises Waiting for a payment at a checkout that Togai does not know: its invoice would ask for it again. Togai is
    asked where Tandem has not counted it itself: a person may have. What was given back is asked for again.
    """
    counted = context.claims_of(CHECKOUT_PAYMENT.name).index
    for pair in context.claims_of(ATTACHED.name).index.under(context.ref("togai", "account", account)):
        for ref in pair.also:
            if Ref.parse(ref).noun != "payment_intent" or counted.pair(ref) is not None:
                continue
            togai: TogaiApp = await context.client("togai")
            payment = Ref.parse(ref)
            if await togai.payment_of(payment.id) is None and not await _is_given_back(context, payment):
                raise Waiting(
                    f"account {account} paid {payment.id} at a checkout, which Togai has not counted: retry "
                    "that run, or enter the payment in Togai with this id as its transaction number",
                    code="uncounted",
                )


async def _is_given_back(context: Context, payment: Ref) -> bool:
    """Whether nothing is left of a payment: nobody counts it then. One at another Stripe account is not known."""
    if str(payment.account) != context.account("stripe"):
        return False
    client: StripeApp = await context.client("stripe")
    intent = await client.retrieve(INTENTS, payment.id, {"expand[]": "latest_charge"})
    charge = intent.get("latest_charge") or {}
    return bool(charge) and int(charge["amount_refunded"]) >= int(charge["amount"])


async def _billing(context: Context, invoice: Json, accounts: list[str]) -> AsyncIterator[Json]:
    """The subscriptions that bill the invoice's plan now, or did when it was made. The invoice of a group that names no
    plan asks for those of its accounts, and Togai does not tell which: there it is any plan.

    Stripe is asked only about plans that are products there, or have a price there, as a person may have said.
    """
    plan, group = str(invoice.get("pricePlanId") or ""), group_of(invoice)
    if not (plan or group) or not _sold(context, plan):
        return
    client: StripeApp = await context.client("stripe")
    customers = _customers_of_group(context, group) if group else []
    for account in accounts:
        customers += _customers(context, account)
        for subscription in _subscribed(context, account):
            one = await client.retrieve(SUBSCRIPTIONS, subscription)
            customers.append(str(one["customer"]))
            end = timestamp(datetime.fromtimestamp(one["ended_at"], UTC)) if one.get("ended_at") else ""
            if _bills_plan(context, one, plan) and end and was_before(invoice, end, "generatedAt", "invoiceDate"):
                yield one
    for customer in dict.fromkeys(customers):
        async for one in client.listed(SUBSCRIPTIONS, {"customer": customer}):
            if bills(one) and _bills_plan(context, one, plan):
                yield one


def _sold(context: Context, plan: str) -> bool:
    """Whether a plan is a product at Stripe, or has a price there; an empty one: whether any plan has."""
    products, prices = context.claims_of(PRODUCT.name).index, context.claims_of(PRICE.name).index
    if not plan:
        return prices.has_links_at(context.account("stripe"))
    ref = context.ref("togai", "price_plan", plan)
    return products.pair(ref) is not None or bool(prices.under(ref))


def _subscribed(context: Context, account: str) -> list[str]:
    """The subscriptions by which an account bought its plans at a checkout."""
    pairs = context.claims_of(ATTACHED.name).index.under(context.ref("togai", "account", account))
    return [context.id_of(ref) for pair in pairs for ref in pair.also if Ref.parse(ref).noun == "subscription"]


def _customers_of_group(context: Context, group: str) -> list[str]:
    """The group's own customer at the flow link's Stripe account; none before its first invoice."""
    pairs = context.claims_of(INVOICE_GROUP.name).index.holders_of(context.ref("togai", "invoice_group", group))
    stripe = f"{context.account('stripe')}/customer/"
    return [Ref.parse(pair.target).id for pair in pairs if pair.target.startswith(stripe)]


def _customers(context: Context, account: str) -> list[str]:
    """The account's customers at Stripe: the linked one, further ones of a checkout, and who names it in its metadata
    there, whoever made them.
    """
    ref, stripe = context.ref("togai", "account", account), context.account("stripe")
    found = context.registry.index.who_name(stripe, account)
    for relation in CUSTOMERS.relations:
        index = context.claims_of(relation.name).index
        pairs = [*index.holders_of(ref), *index.under(ref)]
        found += [side for pair in pairs for side in pair.refs]
    return [Ref.parse(one).id for one in found if one.startswith(f"{stripe}/customer/")]


def accounts_of(context: Context, customer: str, subscription: str) -> set[str]:
    """The accounts in Togai whose customer somebody at Stripe is, or whose plan a subscription bills."""
    ref, togai = context.ref("stripe", "customer", customer), f"{context.account('togai')}/account/"
    known = context.registry.index.get(ref)
    found = {known.names} if known and known.names else set()
    indexes = [context.claims_of(relation.name).index for relation in CUSTOMERS.relations]
    pairs = [pair for index in indexes for pair in index.holders_of(ref)]
    pairs += context.claims_of(ATTACHED.name).index.under(context.ref("stripe", "subscription", subscription))
    sides = [side for pair in pairs for side in (*pair.refs, *pair.also)]
    return found | {side.removeprefix(togai) for side in sides if side.startswith(togai)}


def _bills_plan(context: Context, subscription: Json, plan: str) -> bool:
    return any(_is_of(context, item, plan) for item in subscription["items"]["data"])


def _is_of(context: Context, item: Json, plan: str) -> bool:
    """Whether an item's price is that of a plan; of any plan, if that is empty."""
    found = _plan_of(context, item)
    return bool(found) and plan in ("", found)


def _plan_of(context: Context, item: Json) -> str:
    """The plan of the flow link's organization that an item's price belongs to; empty for none."""
    pair = context.claims_of(PRICE.name).index.pair(context.ref("stripe", "price", str(item["price"]["id"])))
    own = pair is not None and pair.source.startswith(f"{context.account('togai')}/")
    return Ref.parse(pair.source).id.partition(":")[0] if pair and own else ""
