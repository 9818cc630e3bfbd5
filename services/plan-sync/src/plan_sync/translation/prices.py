"""The prices of a plan, and a sentence for each thing that none of them can say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.domains.plans.prices import PlanPrice, Recurring

from plan_sync.translation.costs import amount_of, cost_of, scheme_of
from plan_sync.translation.terms import Card, Inexpressible, Terms
from shared import money

INTERVALS: Mapping[str, tuple[str, int]] = {
    "WEEKLY": ("week", 1),
    "MONTHLY": ("month", 1),
    "QUARTERLY": ("month", 3),
    "HALF_YEARLY": ("month", 6),
    "ANNUALLY": ("year", 1),
}
LONGEST = {"week": 156, "month": 36, "year": 3}
"""Three years."""
METERED = ("usage", "overage")
BILLED_BY = "billed_by"
"""In the metadata of a metered price: who sends the invoice for what it measures."""


@dataclass(frozen=True)
class Translation:
    """The prices; what Stripe cannot express, a sentence each; and what else there is to know, a sentence each."""

    prices: tuple[PlanPrice, ...]
    not_expressed: tuple[str, ...]
    notes: tuple[str, ...] = ()


def translated(terms: Terms, currencies: Iterable[str]) -> Translation:
    """A plan's prices in its currencies."""
    wanted = {code.upper() for code in currencies}
    prices: list[PlanPrice] = []
    left: list[str] = []
    for card in terms.cards:
        of_card = f"{card.name} ({card.kind.replace('_', ' ')})"
        try:
            price, reasons = _price(card, terms, wanted)
        except Inexpressible as reason:
            left.append(f"{of_card}: {reason}")
            continue
        prices.append(price)
        left += [f"{of_card}: {reason}" for reason in (*reasons, *card.notes)]
    return Translation(tuple(prices), (*left, *terms.notes), tuple(_metered(prices)))


def _metered(prices: Iterable[PlanPrice]) -> Iterable[str]:
    return (f"{price.name} is billed by Togai: no usage is sent to Stripe" for price in prices if price.meter)


def _price(card: Card, terms: Terms, wanted: set[str]) -> tuple[PlanPrice, list[str]]:
    """The price, and what is lacking in some currency. Raises Inexpressible."""
    if card.obstacle:
        raise Inexpressible(card.obstacle)
    metered = card.kind in METERED
    if not metered and not card.in_advance:
        raise Inexpressible("Togai bills it in arrears, and Stripe asks for it in advance")
    if card.offset:
        raise Inexpressible(f"it begins after {card.offset} pricing cycles, and a Stripe price begins at once")
    recurring = None if card.one_time else _recurring(terms.interval, card.every)
    scheme: dict[str, Any] = {}
    costs, reasons = {}, []
    for code, rating in sorted(card.ratings.items()):
        if code not in wanted:
            continue
        try:
            if card.granted:
                costs[code] = _granted(card, code)
            else:
                scheme, costs[code] = scheme_of(rating), cost_of(rating, code)
        except (money.NotExpressible, Inexpressible) as error:
            reasons.append(f"not sold in {code}: {error}")
    if not costs:
        raise Inexpressible("; ".join(reasons) or "it has no rate in a currency of the plan")
    meter = card.billable if metered else ""
    price = PlanPrice(
        card=card.key, kind=card.kind, name=card.name, recurring=recurring, meter=meter, scheme=scheme, costs=costs
    )
    return price, reasons


def _granted(card: Card, code: str) -> dict[str, Any]:
    amount = amount_of(card.ratings[code], card.granted[code])
    if amount < 0:
        raise Inexpressible(f"its amount {amount} {code} is negative, and Stripe takes none below 0")
    return {**money.unit_amount(amount, code)}


def interval_of(details: Mapping[str, Any]) -> Recurring | None:
    """The pricing cycle of a version in Stripe's words; None for one that Stripe does not have."""
    try:
        return _recurring(str((details.get("pricingCycleConfig") or {}).get("interval") or ""), 1)
    except Inexpressible:
        return None


def _recurring(interval: str, every: int) -> Recurring:
    if interval not in INTERVALS:
        raise Inexpressible(f"Stripe has no pricing cycle {interval or 'of nothing'}")
    unit, count = INTERVALS[interval]
    if not 1 <= every * count <= LONGEST[unit]:
        raise Inexpressible(f"it comes every {every} pricing cycles, and Stripe's longest period is three years")
    return Recurring.model_validate({"interval": unit, "interval_count": every * count})


def params_of(
    price: PlanPrice, product: str, lookup_key: str, metadata: Mapping[str, str], meter: str = ""
) -> dict[str, Any]:
    """Stripe's parameters of a price. `meter` is the id of Stripe's meter, for a metered one."""
    (first, cost), *others = sorted(price.costs.items())
    body: dict[str, Any] = {
        "product": product,
        "currency": first.lower(),
        **price.scheme,
        **cost,
        "nickname": price.name,
        "lookup_key": lookup_key,
        "metadata": dict(metadata) | ({BILLED_BY: "togai"} if price.meter else {}),
    }
    if others:
        body["currency_options"] = {code.lower(): option for code, option in others}
    if price.recurring:
        body["recurring"] = price.recurring.model_dump()
        if price.meter:
            body["recurring"] |= {"usage_type": "metered", "meter": meter}
    return body
