"""Reads price plans of Togai's second form: the plan without rate cards, and a list of these. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shared.errors import Malformed

from plan_sync.translation import v1
from plan_sync.translation.terms import Terms

Json = Mapping[str, Any]
PARTS = {
    "fixedFeeRateCard": "fixedFeeRateCards",
    "licenseRateCard": "licenseRateCards",
    "billingEntitlementRateCard": "billingEntitlementRateCards",
    "creditGrantRateCard": "creditGrantRateCards",
    "usageRateCard": "usageRateCards",
    "entitlementOverageRateCard": "entitlementOverageRateCards",
}
COMMITMENT = "minimumCommitmentRateCard"


def details_of(plan: Json, rate_cards: Iterable[Json]) -> dict[str, Any]:
    """Both as the first form has them: the cards inside are the same. Raises Malformed."""
    details: dict[str, Any] = {
        "supportedCurrencies": plan.get("supportedCurrencies") or [],
        "pricingCycleConfig": plan.get("pricingCycleConfig") or {},
    }
    for card in rate_cards:
        inner = card.get("rateCardDetails") or {}
        if len(inner) != 1:
            raise Malformed(f"rate card {card.get('name')} of price plan {plan.get('id')} has {len(inner)} kinds")
        [(kind, body)] = inner.items()
        outer = {name: card[name] for name in ("displayName", "invoiceTiming") if card.get(name)}
        if kind == COMMITMENT:
            details["minimumCommitment"] = {**outer, **body}
        elif kind in PARTS:
            details.setdefault(PARTS[kind], []).append({**outer, **body})
        else:
            raise Malformed(f"rate card {card.get('name')} of price plan {plan.get('id')} is of unknown kind {kind}")
    return details


def terms_of(plan: Json, rate_cards: Iterable[Json]) -> Terms:
    """What a version of a plan asks for."""
    return v1.terms_of(details_of(plan, rate_cards))
