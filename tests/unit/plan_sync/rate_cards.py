"""Rate cards in Togai's words, short to write in tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

Json = dict[str, Any]
SLABS: dict[str, list[tuple[Any, ...]]] = {
    "flat": [("FLAT", 0, "7.5")],
    "unit": [("PER_UNIT", 0, "3.005")],
    "package": [("PACKAGE", 0, "4", "10")],
    "flats": [("FLAT", 0, "5"), ("FLAT", 10, "3"), ("FLAT", 100, "0")],
    "units": [("PER_UNIT", 0, "0"), ("PER_UNIT", 10, "3.005"), ("PER_UNIT", 1000, "0.000001")],
    "mixed": [("FLAT", 0, "9"), ("PER_UNIT", 20, "0.25")],
    "packages": [("PACKAGE", 0, "4", "10"), ("PACKAGE", 20, "3", "10")],
    "halves": [("PER_UNIT", 0, "1"), ("PER_UNIT", "2.5", "2")],
}
"""Price type, start and rate of each slab, and a package's size."""


def rate_plan(slabs: str, model: str = "TIERED", factors: dict[str, int] | None = None) -> Json:
    """A rate plan with rates in each currency: `factors` multiply the rates as written."""
    rows = SLABS[slabs]
    listed = [
        {"order": order, "priceType": row[0], "startAfter": row[1],
         "slabConfig": {"packageSize": row[3]} if len(row) > 3 else {}}
        for order, row in enumerate(rows, 1)
    ]  # fmt: skip
    values = [
        {"currency": code, "slabRates": [{"order": order, "rate": _times(row[2], factor), "slabRateConfig": {}}
                                         for order, row in enumerate(rows, 1)]}
        for code, factor in (factors or {"USD": 1}).items()
    ]  # fmt: skip
    return {"ratePlan": {"pricingModel": model, "slabs": listed}, "rateValues": values}


def _times(rate: Any, factor: int) -> str:
    return format(Decimal(str(rate)) * factor, "f")


def fixed_fee(rates: Json, **more: Any) -> Json:
    values = [{"currency": code, "rate": rate} for code, rate in rates.items()]
    card = {"id": "addon.fee", "displayName": "Base", "rateValues": values, "enableProration": False}
    return {"fixedFeeRateCards": [card | {"invoiceTiming": "IN_ADVANCE", "type": "RECURRING"} | more]}


def license(slabs: str, model: str = "TIERED", factors: dict[str, int] | None = None, **more: Any) -> Json:
    card = {"id": "addon.seat", "displayName": "Seats", "enableProration": True, "invoiceTiming": "IN_ADVANCE"}
    return {"licenseRateCards": [card | rate_plan(slabs, model, factors) | more]}


def usage(slabs: str, model: str = "TIERED", factors: dict[str, int] | None = None, **more: Any) -> Json:
    card = {"usageMeterId": "um.calls", "displayName": "Calls"}
    return {"usageRateCards": [card | rate_plan(slabs, model, factors) | more]}


def overage(slabs: str, model: str = "TIERED", factors: dict[str, int] | None = None, **more: Any) -> Json:
    card = {"featureId": "feature.calls", "displayName": "More calls"}
    return {"entitlementOverageRateCards": [card | rate_plan(slabs, model, factors) | more]}


def entitlement(
    slabs: str, model: str = "TIERED", factors: dict[str, int] | None = None, limit: str = "25", **more: Any
) -> Json:
    grant = [{"effectiveUntil": "P1M", "featureCreditLimit": limit}]
    card = {"featureId": "feature.calls", "displayName": "Calls in advance", "featureConfigs": grant}
    return {
        "billingEntitlementRateCards": [card | {"invoiceTiming": "PREPAID"} | rate_plan(slabs, model, factors) | more]
    }


def credit_grant(slabs: str, model: str = "TIERED", amounts: dict[str, str] | None = None, **more: Any) -> Json:
    details = [
        {"startAfter": row[1], "priceType": row[0], "rate": row[2],
         "slabConfig": {"packageSize": row[3]} if len(row) > 3 else {}}
        for row in SLABS[slabs]
    ]  # fmt: skip
    rates = [
        {"currency": code, "creditAmount": amount, "slabDetails": details}
        for code, amount in (amounts or {"USD": "25"}).items()
    ]
    card = {"id": "credit.1", "displayName": "Credits", "grantDetails": {"priority": 0, "expiryType": "NO_EXPIRY"},
            "rateDetails": {"pricingModel": model, "currencySlabRateDetails": rates},
            "invoiceTiming": "PREPAID", "type": "ONE_TIME"}  # fmt: skip
    return {"creditGrantRateCards": [card | more]}


def details(*cards: Json, interval: str = "MONTHLY", currencies: str = "USD", **cycle: Any) -> Json:
    """A version of a plan."""
    body: Json = {
        "supportedCurrencies": currencies.split(),
        "pricingCycleConfig": {"interval": interval, "gracePeriod": 1, "anniversaryCycle": not cycle, **cycle},
    }
    for card in cards:
        body |= card
    return body


FRAMES = {
    "fixedFeeRateCards": ("FIXED_FEE", "fixedFeeRateCard", "id"),
    "licenseRateCards": ("LICENSE", "licenseRateCard", "id"),
    "usageRateCards": ("USAGE", "usageRateCard", "usageMeterId"),
    "billingEntitlementRateCards": ("BILLING_ENTITLEMENT", "billingEntitlementRateCard", "featureId"),
    "entitlementOverageRateCards": ("ENTITLEMENT_OVERAGE", "entitlementOverageRateCard", "featureId"),
    "creditGrantRateCards": ("CREDIT_GRANT", "creditGrantRateCard", "id"),
}


def second_form(plan: Json) -> tuple[Json, list[Json]]:
    """The same version in Togai's second form: the plan, and its rate cards in frames that name them and say when they
    are invoiced.
    """
    head = {"id": "pp.2", "status": "ACTIVE", "version": 1} | {
        name: plan[name] for name in ("supportedCurrencies", "pricingCycleConfig")
    }
    cards: list[Json] = []
    for part, (type, inside, billable) in FRAMES.items():
        for card in plan.get(part, ()):
            body = {name: value for name, value in card.items() if name not in ("displayName", "invoiceTiming")}
            cards.append({
                "name": f"rc-{len(cards)}", "type": type, "billableId": card[billable],
                "displayName": card.get("displayName"), "invoiceTiming": card.get("invoiceTiming", "IN_ARREARS"),
                "rateCardDetails": {inside: body},
            })  # fmt: skip
    if least := plan.get("minimumCommitment"):
        inside = "minimumCommitmentRateCard"
        cards.append({"name": "rc-least", "type": "MINIMUM_COMMITMENT", "rateCardDetails": {inside: least}})
    return head, cards
