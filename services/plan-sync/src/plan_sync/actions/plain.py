"""Plain actions, for flows of one's own. A create is keyed by its run and step: what is sent again is made once."""

from __future__ import annotations

from datetime import date
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.stripe.step_creates import make_once
from shared.apps.togai.client import TogaiApp
from shared.domains.plans.plain import (
    AddPaymentLink,
    AddPrice,
    AddProduct,
    AssociatePlan,
    ClosePaymentLink,
    ListSubscriptions,
    PaymentLinkAdded,
    PriceAdded,
    ProductAdded,
    SubscriptionShown,
    SubscriptionsListed,
)
from shared.domains.plans.togai import Done
from shared.runtime.actions import Context, Result

from plan_sync.actions.account_plans import check_beside, plans_of
from plan_sync.actions.payment_links import LINKS
from plan_sync.actions.products import PRICES, PRODUCTS
from plan_sync.actions.schedules import attached, holding, today_of
from plan_sync.actions.subscriptions import SUBSCRIPTIONS
from plan_sync.decide import other_plan, period_end
from shared import money

Json = dict[str, Any]


async def _add(context: Context, path: str, noun: str, params: Json) -> tuple[Json, tuple[str, ...]]:
    """What the step makes, or has made already; with it what the run is found by."""
    given = {name: value for name, value in params.items() if value}
    step, key = context.step_name, context.step_key("stripe")
    found = await make_once(await context.client("stripe"), path, given, step=step, key=key, began=context.began)
    return found, (context.ref("stripe", noun, str(found["id"])),)


async def add_product(context: Context, wanted: AddProduct) -> Result:
    made, refs = await _add(context, PRODUCTS, "product", wanted.model_dump())
    return Result(ProductAdded(product_id=str(made["id"])), True, (), refs)


async def add_price(context: Context, wanted: AddPrice) -> Result:
    """Raises NotExpressible for an amount that Stripe cannot hold."""
    every = {"interval": wanted.interval, "interval_count": wanted.interval_count} if wanted.interval else {}
    amount = money.unit_amount(money.decimal(wanted.amount), wanted.currency)
    params = {
        "product": wanted.product_id,
        "currency": wanted.currency.lower(),
        "nickname": wanted.nickname,
        "recurring": every,
        "metadata": wanted.metadata,
    }
    # An amount of nothing is a price too: it must be sent.
    made, refs = await _add(context, PRICES, "price", params | {name: str(value) for name, value in amount.items()})
    return Result(PriceAdded(price_id=str(made["id"])), True, (), refs)


async def add_payment_link(context: Context, wanted: AddPaymentLink) -> Result:
    params = {
        "line_items": [{"price": wanted.price_id, "quantity": wanted.quantity}],
        "restrictions": {"completed_sessions": {"limit": 1}} if wanted.single_use else {},
        "metadata": wanted.metadata,
    }
    made, refs = await _add(context, LINKS, "payment_link", params)
    return Result(PaymentLinkAdded(payment_link=str(made["id"]), url=str(made["url"])), True, (), refs)


async def close_payment_link(context: Context, wanted: ClosePaymentLink) -> Result:
    """Whoever made it. One that is closed already stays so."""
    client: StripeApp = await context.client("stripe")
    refs = (context.ref("stripe", "payment_link", wanted.payment_link),)
    if not (await client.retrieve(LINKS, wanted.payment_link)).get("active"):
        return Result(Done(written=False), False, ("it is closed already",), refs)
    await client.update(LINKS, wanted.payment_link, {"active": "false"})
    return Result(Done(written=True), True, (), refs)


async def list_subscriptions(context: Context, wanted: ListSubscriptions) -> Result:
    client: StripeApp = await context.client("stripe")
    asked = {"customer": wanted.customer_id, "price": wanted.price_id, "status": wanted.status}
    rows: list[SubscriptionShown] = []
    more = False
    async for found in client.listed(SUBSCRIPTIONS, {name: value for name, value in asked.items() if value}):
        if more := len(rows) == wanted.limit:
            break
        rows.append(_shown(found))
    return Result(SubscriptionsListed(subscriptions=rows, more=more), False)


def _shown(found: Json) -> SubscriptionShown:
    return SubscriptionShown(
        subscription_id=str(found["id"]),
        status=str(found["status"]),
        customer_id=str(found["customer"]),
        price_ids=[str(item["price"]["id"]) for item in found["items"]["data"]],
        period_end=period_end(found),
        cancel_at_period_end=bool(found["cancel_at_period_end"]),
        metadata=found.get("metadata") or {},
    )


async def associate_price_plan(context: Context, wanted: AssociatePlan) -> Result:
    """From the wanted day on, else from the next if Togai refuses it. Who has it then keeps it; another plan gives
    way, as in Togai's own pages, and is named.
    """
    client: TogaiApp = await context.client("togai")
    first = date.fromisoformat(wanted.since) if wanted.since else today_of(context)
    refs = (context.ref("togai", "account", wanted.account_id), context.ref("togai", "price_plan", wanted.plan_id))
    plans = plans_of(context, client, wanted.account_id, wanted.api)
    schedules = await plans.read()
    if found := holding(schedules, wanted.plan_id, first):
        return attached(found, False, ("the account has the plan already",), refs)
    other = other_plan(schedules, wanted.plan_id, first.isoformat())
    found = await plans.associated(wanted.plan_id, first)
    check_beside(plans, wanted.account_id, wanted.plan_id)
    return attached(found, True, (f"it takes the place of {other}",) if other else (), refs)
