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
COMMITMENT, TIMING = "minimumCommitmentRateCard", "invoiceTiming"
BILLABLES = {
    "fixedFeeRateCards": "id",
    "licenseRateCards": "id",
    "creditGrantRateCards": "id",
    "billingEntitlementRateCards": "featureId",
    "usageRateCards": "usageMeterId",
    "entitlementOverageRateCards": "featureId",
}
"""By which field a card names what it asks for."""


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
        if kind == COMMITMENT:
            details["minimumCommitment"] = {"displayName": card.get("displayName"), **body}
        elif kind in PARTS:
            details.setdefault(PARTS[kind], []).append(_framed(card, body))
        else:
            raise Malformed(f"rate card {card.get('name')} of price plan {plan.get('id')} is of unknown kind {kind}")
    _check_once(plan, details)
    return details


def _framed(card: Json, body: Json) -> dict[str, Any]:
    """A card with what its frame says of it. Where both name another timing it counts as in arrears: what is not sure
    is not asked for in advance.
    """
    given = {name: card[name] for name in ("displayName", TIMING) if card.get(name)}
    timings = {one[TIMING] for one in (card, body) if one.get(TIMING)}
    return {**given, **body, **({TIMING: "IN_ARREARS"} if len(timings) > 1 else {})}


def _check_once(plan: Json, details: Json) -> None:
    """Raises Malformed for two cards of one kind that ask for the same: nobody could tell their prices apart."""
    for part, name in BILLABLES.items():
        asked = [card.get(name) for card in details.get(part) or ()]
        if twice := sorted({str(one) for one in asked if asked.count(one) > 1}):
            raise Malformed(f"price plan {plan.get('id')} has two rate cards of one kind for {', '.join(twice)}")


def terms_of(plan: Json, rate_cards: Iterable[Json]) -> Terms:
    """What a version of a plan asks for."""
    return v1.terms_of(details_of(plan, rate_cards))
