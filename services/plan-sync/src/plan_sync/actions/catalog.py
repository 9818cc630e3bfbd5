"""A plan's product with a price for each rate card; what a new version replaced, or an archived plan, sells no more."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.plans import METER, PRICE, PRODUCT
from shared.domains.plans.prices import CatalogMade, FormerPrices, PlanCatalog, PlanPrice, Retired
from shared.domains.plans.stripe import CARD, PLAN, VERSION
from shared.domains.plans.togai import PlanNamed
from shared.errors import NotFound, Rejected
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import Creation, create

from plan_sync.actions import versions
from plan_sync.actions.open_offers import close_offers, offer_again
from plan_sync.actions.products import PRICES, PRODUCTS, card_of, price_of, product_of
from plan_sync.translation import terms_of, translated

METERS = "/v1/billing/meters"
SUM = {"formula": "sum"}


async def translate(context: Context, wanted: PlanNamed) -> Result:
    """The prices of the plan's present version. Raises Ended for a draft, and where there is nothing to sell."""
    client: TogaiApp = await context.client("togai")
    ref = context.ref("togai", "price_plan", wanted.plan_id)
    try:
        plan = await versions.present(context, client, wanted.plan_id)
    except NotFound as error:
        raise Ended("skipped", f"nothing is made: {error.message}", (ref,)) from error
    if plan.status == versions.DRAFT:
        raise Ended("skipped", f"price plan {wanted.plan_id} is a draft: its prices are made once it is active", (ref,))
    archived, linked = plan.status == versions.ARCHIVED, context.claims_of(PRODUCT.name).index.pair(ref)
    if archived and not linked:
        raise Ended("skipped", f"price plan {wanted.plan_id} is archived, and nothing of it is in Stripe", (ref,))
    found = translated(terms_of(plan.details), plan.details.get("supportedCurrencies") or ())
    if not (archived or linked or found.prices):
        why = ". ".join(found.not_expressed) or "it has no rate card"
        raise Ended("skipped", f"nothing of price plan {wanted.plan_id} can be sold in Stripe: {why}", (ref,))
    catalog = PlanCatalog(
        plan_id=wanted.plan_id,
        version=plan.version,
        name=plan.name,
        description=plan.description,
        archived=archived,
        prices=[] if archived else list(found.prices),
        not_expressed=[] if archived else list(found.not_expressed),
    )
    return Result(catalog, False, () if archived else (*found.not_expressed, *found.notes), (ref,))


async def create_prices(context: Context, plan: PlanCatalog) -> Result:
    """Make the product, its meters and its prices, or find those that are there."""
    if plan.archived:
        return Result(CatalogMade(), False)
    product, how, refs = await product_of(context, plan.plan_id, plan.name, plan.description)
    client: StripeApp = await context.client("stripe")
    if not (await client.retrieve(PRODUCTS, product)).get("active"):
        why = (
            f"product {product} is archived in Stripe: nothing is made for it. Unarchive it there, then `tandem replay"
        )
        raise Ended("skipped", f"{why} --flow-link {context.link.id} --entity {plan.plan_id}`", refs)
    made, notes, effect = {}, [f"product: {how or 'linked already'}"], bool(how)
    for price in plan.prices:
        meter = await _meter(context, price) if price.meter else ""
        found, how, pair = await price_of(context, *card_of(plan.plan_id, plan.version, price, product, meter))
        made[price.card] = found
        effect |= bool(how)
        notes.append(f"{price.name}: {how or 'linked already'}")
        refs += pair
    return Result(CatalogMade(product_id=product, prices=made), effect, tuple(notes), refs)


class _Meter(Creation[str]):
    """There is one active meter for each event name."""

    def __init__(self, client: StripeApp, event: str) -> None:
        self._client = client
        self._event = event

    async def send(self, body: dict[str, Any], key: str) -> str:
        return str((await self._client.create(METERS, body, key))["id"])

    async def taken(self, error: Rejected) -> str | None:
        return await self.find(0)

    async def find(self, since: int) -> str | None:
        async for meter in self._client.listed(METERS, {"status": "active"}):
            if meter.get("event_name") == self._event:
                return str(meter["id"])
        return None


async def _meter(context: Context, price: PlanPrice) -> str:
    """The meter behind the prices of what Togai meters, for all plans."""
    claims, account = context.claims_of(METER.name), context.account("stripe")
    event = f"togai_{price.meter}"
    body = {"display_name": price.name[:250], "event_name": event, "default_aggregation": SUM}
    held = await claims.claim(
        context.ref("togai", "billable", price.meter),
        action="stripe.product.create_prices",
        app_account=account,
        body=body,
        run=context.run.id,
    )
    if held.state != "claimed":
        return context.id_of(held.target)
    meter, _ = await create(claims, held, account, _Meter(await context.client("stripe"), event))
    await claims.link(held, context.ref("stripe", "billing.meter", meter), "created")
    return meter


async def retire_prices(context: Context, former: FormerPrices) -> Result:
    """Move the product's default away from former prices, then archive these; all of an archived plan."""
    client: StripeApp = await context.client("stripe")
    if former.archived:
        return await _archive(context, client, former)
    old = [price async for price in client.listed(PRICES, {"product": former.product_id, "active": "true"})
           if _is_former(context, price, former)]  # fmt: skip
    default = (await client.retrieve(PRODUCTS, former.product_id)).get("default_price") if old else None
    # Before their prices are archived: Stripe closes a link that sells one.
    notes, retired = await offer_again(context, client, former.plan_id, former.version) if old else [], []
    for price in old:
        if price["id"] == default:
            successor = former.prices.get(price["metadata"][CARD]) or next(iter(former.prices.values()), None)
            if successor is None:
                notes.append(f"{default} stays: it is the product's default price, and the new version has none")
                continue
            await client.update(PRODUCTS, former.product_id, {"default_price": successor})
        await client.update(PRICES, price["id"], {"active": "false"})
        retired.append(str(price["id"]))
    return Result(Retired(retired=retired), bool(retired), tuple(notes))


def _is_former(context: Context, price: dict[str, Any], former: FormerPrices) -> bool:
    """Whether a price is one that Tandem made for an earlier version: any other is a person's."""
    metadata = price.get("metadata") or {}
    number = str(metadata.get(VERSION) or "")
    earlier = metadata.get(PLAN) == former.plan_id and number.isdecimal() and int(number) < former.version
    ours = context.claims_of(PRICE.name).index.holders_of(context.ref("stripe", "price", str(price["id"])))
    return earlier and CARD in metadata and bool(ours)


async def _archive(context: Context, client: StripeApp, former: FormerPrices) -> Result:
    """The product, the open links and the open sessions of an archived plan."""
    source = context.ref("togai", "price_plan", former.plan_id)
    pair = context.claims_of(PRODUCT.name).index.pair(source)
    product = context.id_of(pair.target) if pair else former.plan_id
    retired, notes = await close_offers(context, client, former.plan_id)
    if (await client.retrieve(PRODUCTS, product)).get("active"):
        await client.update(PRODUCTS, product, {"active": "false"})
        retired.append(product)
    return Result(Retired(retired=retired), bool(retired), tuple(notes), pair.refs if pair else (source,))
