"""What Togai asks for a quantity, computed from its own words alone: it knows nothing of the translation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

Json = dict[str, Any]
Row = tuple[Decimal, str, Decimal, Decimal]
"""Start, price type, rate and package size."""


def rows(card: Json, currency: str) -> tuple[str, list[Row]]:
    """The pricing model and the slabs of a card in one currency."""
    if "rateDetails" in card:
        found = card["rateDetails"]
        value = next(one for one in found["currencySlabRateDetails"] if one["currency"] == currency)
        pairs = [(slab, slab["rate"]) for slab in value["slabDetails"]]
    else:
        found = card["ratePlan"]
        value = next(one for one in card["rateValues"] if one["currency"] == currency)
        rates = {rate["order"]: rate["rate"] for rate in value["slabRates"]}
        pairs = [(slab, rates[slab["order"]]) for slab in found["slabs"]]
    return found["pricingModel"], [
        (Decimal(str(slab["startAfter"])), slab["priceType"], Decimal(str(rate)),
         Decimal((slab.get("slabConfig") or {}).get("packageSize", "1")))
        for slab, rate in pairs
    ]  # fmt: skip


def charge(row: Row, units: Decimal) -> Decimal:
    """What so many units cost in one slab: a package that is begun is paid as a whole."""
    _, kind, rate, size = row
    if kind == "FLAT":
        return rate
    if kind == "PER_UNIT":
        return rate * units
    packages = 0
    while packages * size < units:
        packages += 1
    return rate * packages


def amount(card: Json, currency: str, quantity: Decimal) -> Decimal:
    """What Togai asks for a quantity, in whole units of the currency, before it is rounded.

    TIERED: each slab that is reached counts the units in it. VOLUME: the last one that is reached counts all of them.
    The first slab is always reached.
    """
    model, slabs = rows(card, currency)
    total = Decimal(0)
    for index, row in enumerate(slabs):
        start, end = row[0], slabs[index + 1][0] if index + 1 < len(slabs) else None
        reached = index == 0 or quantity > start
        last = end is None or quantity <= end
        if model == "VOLUME" and reached and last:
            return charge(row, quantity)
        if model == "TIERED" and reached:
            total += charge(row, (quantity if end is None or quantity < end else end) - start)
    return total
