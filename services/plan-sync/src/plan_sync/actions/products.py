"""A plan's product, and a price for each of its fees."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.domains.plans import PRICE, PRODUCT
from shared.domains.plans.prices import PlanPrice
from shared.domains.plans.stripe import CARD, PLAN, VERSION, NewPrices, PricesMade, ProductMade
from shared.domains.plans.togai import Fee, PlanFacts
from shared.errors import Rejected
from shared.runtime.actions import Context, Result
from shared.runtime.creating import Creation, create

from plan_sync.decide import price_params
from plan_sync.translation.prices import params_of

PRODUCTS, PRICES = "/v1/products", "/v1/prices"
TAKEN = "resource_already_exists"


class _Product(Creation[str]):
    """Its id is the plan's own: what is there under it is the one."""

    def __init__(self, client: StripeApp, plan_id: str) -> None:
        self._client = client
        self._plan = plan_id

    async def send(self, body: dict[str, Any], key: str) -> str:
        return str((await self._client.create(PRODUCTS, body, key))["id"])

    async def taken(self, error: Rejected) -> str | None:
        return await self.find(0) if error.code == TAKEN else None

    async def find(self, since: int) -> str | None:
        try:
            return str((await self._client.retrieve(PRODUCTS, self._plan))["id"])
        except Rejected:
            return None


async def create_product(context: Context, plan: PlanFacts) -> Result:
    """Make the plan's product, or find the one that is there."""
    product, how, refs = await product_of(context, plan.plan_id, plan.name, plan.description)
    return Result(ProductMade(product_id=product), bool(how), (how or "linked already",), refs)


async def product_of(context: Context, plan: str, name: str, description: str) -> tuple[str, str, tuple[str, ...]]:
    """A plan's product, how it was made (empty for one that was linked already), and what the run is found by."""
    claims, source = context.claims_of(PRODUCT.name), context.ref("togai", "price_plan", plan)
    target = context.ref("stripe", "product", plan)
    body: dict[str, Any] = {"id": plan, "name": name, "metadata": {PLAN: plan}}
    if description:
        body["description"] = description
    account = context.account("stripe")
    held = await claims.claim(
        source, action="stripe.product.create", app_account=account, body=body, run=context.run.id, target=target
    )
    if held.state != "claimed":
        return context.id_of(held.target), "", held.refs
    product, how = await create(claims, held, account, _Product(await context.client("stripe"), plan))
    pair = await claims.link(held, target, "created")
    return product, how, pair.refs


class _Price(Creation[str]):
    """An active price under its lookup key is the one, if it is of the same version of the plan. An archived one stays
    as it is, and gives its key to a new one.
    """

    def __init__(self, client: StripeApp, body: dict[str, Any]) -> None:
        self._client = client
        self._lookup_key = str(body["lookup_key"])
        self._version = body["metadata"][VERSION]
        self._sent: tuple[dict[str, Any], str] = ({}, "")

    async def send(self, body: dict[str, Any], key: str) -> str:
        self._sent = (body, key)
        return str((await self._client.create(PRICES, body, key))["id"])

    async def taken(self, error: Rejected) -> str | None:
        found = await self.find(0)
        if found or error.param != "lookup_key" or await self._is_held_by_active():
            return found
        body, key = self._sent
        return str((await self._client.create(PRICES, body | {"transfer_lookup_key": "true"}, f"{key}:transfer"))["id"])

    async def _is_held_by_active(self) -> bool:
        """Whether a price that is sold has the key: a person gave it that one."""
        params = {"lookup_keys[]": self._lookup_key, "active": "true"}
        return bool([price async for price in self._client.listed(PRICES, params)])

    async def find(self, since: int) -> str | None:
        params = {"lookup_keys[]": self._lookup_key, "active": "true"}
        async for price in self._client.listed(PRICES, params):
            if (price.get("metadata") or {}).get(VERSION) == self._version:
                return str(price["id"])
        return None


async def create_prices(context: Context, wanted: NewPrices) -> Result:
    """Make a price for each fee, or find the one that is there."""
    made: dict[str, str] = {}
    notes: list[str] = []
    refs: list[str] = []
    effect = False
    for fee in wanted.fees:
        price, how, pair = await _price(context, wanted, fee)
        made[fee.card] = price
        effect |= bool(how)
        notes.append(f"{fee.name}: {how or 'linked already'}")
        refs += pair
    for asked in wanted.prices:
        found = card_of(wanted.plan_id, wanted.version, asked, wanted.product_id)
        price, how, pair = await price_of(context, *found)
        made[asked.card] = price
        effect |= bool(how)
        notes.append(f"{asked.name}: {how or 'linked already'}")
        refs += pair
    return Result(PricesMade(prices=made), effect, tuple(notes), tuple(refs))


def card_of(plan: str, version: int, price: PlanPrice, product: str, meter: str = "") -> tuple[str, dict[str, Any]]:
    """The rate card of one version, and its price's body. A fee's one-time price has the same name in an offer."""
    metadata = {PLAN: plan, VERSION: str(version), CARD: price.card}
    body = params_of(price, product, f"togai:{plan}:{price.card}", metadata, meter)
    card = f"{plan}:{version}:{price.card}" + (":recurring" if price.recurring else "")
    return card, body | {"transfer_lookup_key": "true"}


async def _price(context: Context, wanted: NewPrices, fee: Fee) -> tuple[str, str, tuple[str, ...]]:
    card = f"{wanted.plan_id}:{wanted.version}:{fee.card}"
    body = price_params(fee, wanted.product_id, f"togai:{card}", {PLAN: wanted.plan_id, VERSION: str(wanted.version)})
    return await price_of(context, card, body)


async def price_of(context: Context, card: str, body: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    """The price of a rate card of one version, how it was made (empty for one that was linked already), and what the
    run is found by.
    """
    claims, account = context.claims_of(PRICE.name), context.account("stripe")
    held = await claims.claim(
        context.ref("togai", "rate_card", card),
        action="stripe.price.create",
        app_account=account,
        body=body,
        run=context.run.id,
    )
    if held.state != "claimed":
        return context.id_of(held.target), "", held.refs
    price, how = await create(claims, held, account, _Price(await context.client("stripe"), body))
    plan = context.ref("togai", "price_plan", card.partition(":")[0])
    pair = await claims.link(held, context.ref("stripe", "price", price), "created", also=(plan,))
    return price, how, pair.refs
