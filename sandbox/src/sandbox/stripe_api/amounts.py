"""What a price is, how it is shown, and what a quantity of it costs."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from sandbox.stripe_api import currencies
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.forms import bracketed

Body = dict[str, Any]
Path = tuple[str, ...]
MOST_TIERS = 100


def amount_fields(value: Decimal | int | None) -> Body:
    """The two fields of an amount: a fraction of the smallest unit shows in the decimal one alone."""
    if value is None:
        return {"unit_amount": None, "unit_amount_decimal": None}
    exact = Decimal(value)
    return {
        "unit_amount": int(exact) if exact == exact.to_integral_value() else None,
        "unit_amount_decimal": currencies.plain(exact),
    }


def unit_amount(given: Body, path: Path = ()) -> Decimal | None:
    """The amount of a unit that a request names, in one of two ways."""
    if "unit_amount" in given and "unit_amount_decimal" in given:
        raise _exclusive(("unit_amount", "unit_amount_decimal"), path)
    found = given.get("unit_amount", given.get("unit_amount_decimal"))
    if found in (None, ""):
        return None
    value = Decimal(found)
    if value < 0:
        name = "unit_amount" if "unit_amount" in given else "unit_amount_decimal"
        raise StripeError(
            400, "This value must be greater than or equal to 0.", code="parameter_invalid_integer",
            param=bracketed((*path, name)),
        )  # fmt: skip
    return value


def _exclusive(names: tuple[str, ...], path: Path) -> StripeError:
    listed = ", ".join(bracketed((*path, name)) for name in names)
    message = f"You may only specify one of these parameters: {listed}."
    return StripeError(400, message, code="parameters_exclusive", param=bracketed((*path, names[0])))


def tiers(given: list[Body], path: Path = ()) -> list[Body]:
    """Tiers as Stripe keeps them; raises unless their ends rise, the last is open, and each has an amount."""
    if not given or len(given) > MOST_TIERS:
        raise StripeError(400, f"Tiers must have between 1 and {MOST_TIERS} items.", param=bracketed((*path, "tiers")))
    found, last = [], 0
    for index, tier in enumerate(given):
        place = (*path, "tiers", str(index))
        end, is_last = tier["up_to"], index == len(given) - 1
        if (end == "inf") != is_last or (not is_last and end <= last):
            message = "Tiers must be in ascending order of up_to, and only the last one must have up_to=inf."
            raise StripeError(400, message, param=bracketed((*place, "up_to")))
        found.append({**_tier_amounts(tier, place), "up_to": None if is_last else end})
        last = end
    return found


def _tier_amounts(tier: Body, place: Path) -> Body:
    unit = amount_fields(unit_amount(tier, place))
    renamed = {name.replace("flat", "unit"): value for name, value in tier.items() if name.startswith("flat_amount")}
    flat = amount_fields(unit_amount(renamed, place))
    if unit["unit_amount_decimal"] is None and flat["unit_amount_decimal"] is None:
        message = "Each tier must have a unit_amount or a flat_amount."
        raise StripeError(400, message, param=bracketed((*place, "unit_amount")))
    return {"flat_amount": flat["unit_amount"], "flat_amount_decimal": flat["unit_amount_decimal"], **unit}


def pricing(given: Body, path: Path = ()) -> tuple[Body, list[Body] | None]:
    """What a price costs in one currency: its own fields, and its tiers, which only `expand` shows."""
    ways: list[str] = [name for name in ("custom_unit_amount", "tiers") if name in given]
    amount = unit_amount(given, path)
    if amount is not None:
        ways.append("unit_amount" if "unit_amount" in given else "unit_amount_decimal")
    if len(ways) > 1:
        raise _exclusive(tuple(ways), path)
    if not ways:
        name = bracketed((*path, "unit_amount"))
        raise StripeError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
    custom = given.get("custom_unit_amount")
    if custom is not None and not custom["enabled"]:
        raise StripeError(400, "custom_unit_amount[enabled] must be true.", param=bracketed((*path, ways[0])))
    shown = {
        "custom_unit_amount": {name: custom.get(name) for name in ("maximum", "minimum", "preset")} if custom else None,
        **amount_fields(amount),
    }
    return shown, tiers(given["tiers"], path) if "tiers" in given else None


def line_total(price: Body, in_currency: Body, quantity: int) -> int:
    """What a quantity costs: units or tiers, rounded once, after the multiplication."""
    return currencies.rounded(exact_total(price, in_currency, Decimal(quantity)))


def exact_total(price: Body, in_currency: Body, quantity: Decimal) -> Decimal:
    """What a quantity costs in the smallest unit, before it is rounded; usage may be a fraction."""
    counted = quantity
    transform = price.get("transform_quantity")
    if transform:
        way = ROUND_CEILING if transform["round"] == "up" else ROUND_FLOOR
        counted = (counted / transform["divide_by"]).to_integral_value(way)
    if in_currency.get("tiers"):
        return (_volume if price["tiers_mode"] == "volume" else _graduated)(in_currency["tiers"], counted)
    if in_currency.get("custom_unit_amount"):
        custom = in_currency["custom_unit_amount"]
        return Decimal(custom["preset"] or custom["minimum"] or 0)
    return Decimal(in_currency["unit_amount_decimal"]) * counted


def _volume(found: list[Body], quantity: Decimal) -> Decimal:
    """All units at the tier into which the quantity falls."""
    tier = next(t for t in found if t["up_to"] is None or quantity <= t["up_to"])
    return _of(tier, "unit") * quantity + _of(tier, "flat")


def _graduated(found: list[Body], quantity: Decimal) -> Decimal:
    """Each unit at the tier in which it lies; a tier's flat amount as soon as it is reached, the first one's always."""
    total, start = Decimal(0), Decimal(0)
    for index, tier in enumerate(found):
        if index and quantity <= start:
            break
        end = quantity if tier["up_to"] is None else min(quantity, Decimal(tier["up_to"]))
        total += _of(tier, "unit") * (end - start) + _of(tier, "flat")
        start = end if tier["up_to"] is None else Decimal(tier["up_to"])
    return total


def _of(tier: Body, kind: str) -> Decimal:
    return Decimal(tier[f"{kind}_amount_decimal"] or 0)
