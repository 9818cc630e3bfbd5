"""What quantities cost, as Stripe's amounts and tiers. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from plan_sync.translation.terms import Inexpressible, Rating, Slab
from shared import money

Params = dict[str, Any]
MOST_TIERS = 100
MODES = {"TIERED": "graduated", "VOLUME": "volume"}


def scheme_of(rating: Rating) -> Params:
    """What a price says beside its amounts. Raises Inexpressible."""
    first = rating.slabs[0]
    if rating.obstacle:
        raise Inexpressible(rating.obstacle)
    if rating.model not in MODES:
        raise Inexpressible(f"Tandem does not know the pricing model {rating.model}")
    _check_starts(rating.slabs)
    if len(rating.slabs) == 1 and first.price_type == "PER_UNIT":
        return {}
    if len(rating.slabs) == 1 and first.price_type == "PACKAGE":
        return {"transform_quantity": {"divide_by": _whole(first.package, "its package size"), "round": "up"}}
    if any(slab.price_type == "PACKAGE" for slab in rating.slabs):
        raise Inexpressible("Stripe has no packages in a price of several tiers")
    if len(rating.slabs) > MOST_TIERS:
        raise Inexpressible(f"Stripe has at most {MOST_TIERS} tiers")
    return {"billing_scheme": "tiered", "tiers_mode": MODES[rating.model]}


def _check_starts(slabs: tuple[Slab, ...]) -> None:
    starts = [slab.start_after for slab in slabs]
    if starts[0] != 0:
        raise Inexpressible(f"its first slab starts after {starts[0]}, and Stripe's first tier after 0")
    for before, start in zip(starts, starts[1:], strict=False):
        if start <= before:
            raise Inexpressible("its slabs do not rise")
        _whole(start, "the start of a slab")
    for slab in slabs:
        if slab.rate < 0:
            raise Inexpressible(f"its rate {slab.rate} is negative, and Stripe takes none below 0")
        if slab.price_type not in ("FLAT", "PER_UNIT", "PACKAGE"):
            raise Inexpressible(f"Tandem does not know the price type {slab.price_type}")


def _whole(number: Decimal | None, what: str) -> int:
    if number is None or number <= 0 or number != number.to_integral_value():
        raise Inexpressible(f"{what} is {number}, and Stripe takes whole numbers above 0 only")
    return int(number)


def cost_of(rating: Rating, currency: str) -> Params:
    """The amounts of a price in one currency, exactly. Raises NotExpressible."""
    if "billing_scheme" not in scheme_of(rating):
        return {**money.unit_amount(rating.slabs[0].rate, currency)}
    ends: list[int | str] = [int(slab.start_after) for slab in rating.slabs[1:]]
    return {
        "tiers": [_tier(slab, end, currency) for slab, end in zip(rating.slabs, [*ends, "inf"], strict=True)],
    }


def _tier(slab: Slab, end: int | str, currency: str) -> Params:
    amount = money.unit_amount(slab.rate, currency)
    if slab.price_type == "FLAT":
        amount = {name.replace("unit", "flat"): value for name, value in amount.items()}
    return {"up_to": end, **amount}


def amount_of(rating: Rating, quantity: Decimal) -> Decimal:
    """What a granted quantity costs, exactly, in whole units of the currency. Raises Inexpressible."""
    if rating.obstacle:
        raise Inexpressible(rating.obstacle)
    if rating.model not in MODES:
        raise Inexpressible(f"Tandem does not know the pricing model {rating.model}")
    slabs = rating.slabs
    if slabs[0].start_after != 0 or any(b.start_after <= a.start_after for a, b in zip(slabs, slabs[1:], strict=False)):
        raise Inexpressible("its slabs do not rise from 0")
    reached = [slab for slab in slabs if slab.start_after < quantity] or [slabs[0]]
    if rating.model == "VOLUME":
        return _charge(reached[-1], quantity)
    ends = [slab.start_after for slab in reached[1:]] + [quantity]
    total = Decimal(0)
    for slab, end in zip(reached, ends, strict=True):
        total = money.EXACT.add(total, _charge(slab, money.EXACT.subtract(end, slab.start_after)))
    return total


def _charge(slab: Slab, units: Decimal) -> Decimal:
    if slab.price_type == "FLAT":
        return slab.rate
    if slab.price_type == "PER_UNIT":
        return money.EXACT.multiply(slab.rate, units)
    if slab.package is None or slab.package <= 0:
        raise Inexpressible(f"its package size is {slab.package}")
    whole, rest = money.EXACT.divmod(units, slab.package)
    return money.EXACT.multiply(slab.rate, whole + (1 if rest else 0))
