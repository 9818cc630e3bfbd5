"""Reads `pricePlanDetails`, the first form of Togai's price plans. Raises Malformed for what is no such form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from shared.domains.plans.prices import CardKind
from shared.errors import Malformed

from plan_sync.translation.terms import Card, Rating, Slab, Terms
from shared import money

Json = Mapping[str, Any]
Reader = Callable[[Json, str], Card]
IN_ADVANCE = ("IN_ADVANCE", "PREPAID")
PACKAGE_SIZE = "packageSize"
BOUNDED = "Stripe has no minimum or maximum rate"


def terms_of(details: Json) -> Terms:
    """What a version of a plan asks for."""
    cycle = details.get("pricingCycleConfig") or {}
    interval = str(cycle.get("interval") or "")
    try:
        cards = [reader(card, interval) for part, reader in READERS.items() for card in details.get(part) or ()]
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"a rate card of the plan cannot be read: {error}") from error
    notes = [_offset_of(cycle)] if cycle.get("startOffset") else []
    if details.get("minimumCommitment"):
        name = details["minimumCommitment"].get("displayName") or "Minimum commitment"
        notes.append(f"{name} (minimum commitment): Stripe prices have no minimum, so Togai alone asks for it")
    return Terms(interval=interval, cards=tuple(cards), notes=tuple(notes))


def _offset_of(cycle: Json) -> str:
    day = cycle["startOffset"].get("dayOffset")
    return f"The plan's cycles begin on day {day} in Togai: a Stripe price cannot say on which day a cycle begins"


def _fixed_fee(card: Json, interval: str) -> Card:
    ratings = {
        _code(value): Rating("TIERED", (Slab(Decimal(0), "FLAT", money.decimal(value["rate"])),))
        for value in card["rateValues"]
    }
    return Card(
        key=str(card["id"]),
        kind="fixed_fee",
        billable=str(card["id"]),
        name=_name(card, card["id"]),
        ratings=ratings,
        in_advance=card.get("invoiceTiming") in IN_ADVANCE,
        one_time=card.get("type") == "ONE_TIME",
        granted=dict.fromkeys(ratings, Decimal(1)),
        **_recurrence(card.get("recurrenceConfig"), "offset"),
    )


def _license(card: Json, interval: str) -> Card:
    cycle = card.get("usageCycle")
    most = (card.get("config") or {}).get("maxQuantity")
    other = (
        f"its usage cycle is {cycle} and the plan's is {interval or 'none'}" if cycle not in (None, interval) else ""
    )
    return Card(
        **_base("license", card, str(card["id"])),
        in_advance=card.get("invoiceTiming") in IN_ADVANCE,
        obstacle=other,
        notes=(f"Togai allows at most {most}, and a Stripe price has no such limit",) if most is not None else (),
    )


def _usage(card: Json, interval: str) -> Card:
    return Card(**_base("usage", card, str(card["usageMeterId"])))


def _overage(card: Json, interval: str) -> Card:
    most = card.get("maxQuantity")
    return Card(
        **_base("overage", card, str(card["featureId"])),
        notes=(f"Togai allows at most {most}, and a Stripe price has no such limit",) if most is not None else (),
        **_recurrence(card.get("billingConfig"), "startOffset"),
    )


def _entitlement(card: Json, interval: str) -> Card:
    base, grants = _base("entitlement", card, str(card["featureId"])), card["featureConfigs"]
    several = len(grants) != 1 or bool(grants[0].get("effectiveFrom"))
    limit = money.decimal(grants[0]["featureCreditLimit"])
    return Card(
        **base,
        in_advance=card.get("invoiceTiming") in IN_ADVANCE,
        granted=dict.fromkeys(base["ratings"], limit),
        obstacle="what it grants changes in the course of time, and a Stripe price does not" if several else "",
        **_recurrence(card.get("recurrenceConfig"), "offset"),
    )


def _credit_grant(card: Json, interval: str) -> Card:
    model, values = card["rateDetails"]["pricingModel"], card["rateDetails"]["currencySlabRateDetails"]
    ratings = {
        _code(value): Rating(
            model, tuple(_slab(slab, slab) for slab in value["slabDetails"]), _obstacle(value, value["slabDetails"])
        )
        for value in values
    }
    return Card(
        key=f"credit_grant:{card['id']}",
        kind="credit_grant",
        billable=str(card["id"]),
        name=_name(card, card["id"]),
        ratings=ratings,
        in_advance=card.get("invoiceTiming") in IN_ADVANCE,
        one_time=card.get("type") == "ONE_TIME",
        granted={_code(value): money.decimal(value["creditAmount"]) for value in values},
        **_recurrence(card.get("recurrenceConfig"), "offset"),
    )


READERS: Mapping[str, Reader] = {
    "fixedFeeRateCards": _fixed_fee,
    "licenseRateCards": _license,
    "billingEntitlementRateCards": _entitlement,
    "creditGrantRateCards": _credit_grant,
    "usageRateCards": _usage,
    "entitlementOverageRateCards": _overage,
}


def _base(kind: CardKind, card: Json, billable: str) -> dict[str, Any]:
    """What the cards with a rate plan have in common. A feature can have two cards, so the key names the kind."""
    plan, slabs = card["ratePlan"], card["ratePlan"]["slabs"]
    ratings = {}
    for value in card["rateValues"]:
        rates = {int(rate["order"]): rate for rate in value["slabRates"]}
        priced = tuple(_slab(slab, rates[int(slab["order"])]) for slab in slabs)
        ratings[_code(value)] = Rating(plan["pricingModel"], priced, _obstacle(value, [*slabs, *rates.values()]))
    return {
        "key": f"{kind}:{billable}",
        "kind": kind,
        "billable": billable,
        "name": _name(card, billable),
        "ratings": ratings,
    }


def _slab(slab: Json, rate: Json) -> Slab:
    size = (slab.get("slabConfig") or {}).get(PACKAGE_SIZE)
    return Slab(
        start_after=money.decimal(slab["startAfter"]),
        price_type=slab["priceType"],
        rate=money.decimal(rate["rate"]),
        package=None if size is None else money.decimal(size),
    )


def _obstacle(value: Json, slabs: list[Json]) -> str:
    """Settings of rates are free text in Togai: what is not known is never passed over."""
    names = set(value.get("rateConfig") or {})
    for slab in slabs:
        names |= set(slab.get("slabConfig") or {}) - {PACKAGE_SIZE}
        names |= set(slab.get("slabRateConfig") or {})
    if not names:
        return ""
    bounds = names <= {"minimumRate", "maximumRate"}
    return BOUNDED if bounds else f"Tandem does not know what {', '.join(sorted(names))} means for the amount"


def _recurrence(config: Json | None, offset: str) -> dict[str, Any]:
    given = config or {}
    return {"every": int(given.get("interval") or 1), "offset": int(given.get(offset) or 0)}


def _code(value: Json) -> str:
    return str(value["currency"]).upper()


def _name(card: Json, otherwise: str) -> str:
    return str(card.get("displayName") or card.get("name") or otherwise)
