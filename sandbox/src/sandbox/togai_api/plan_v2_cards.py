"""Rate cards of both versions of Togai's price plans: the same cards, once in lists by kind, once each in a frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.togai_api.billables import CARDS
from sandbox.togai_api.errors import TogaiError

Json = dict[str, Any]
COMMITMENT = "minimumCommitment"
KINDS = {
    "FIXED_FEE": ("fixedFeeRateCard", "fixedFeeRateCards"),
    "BILLING_ENTITLEMENT": ("billingEntitlementRateCard", "billingEntitlementRateCards"),
    "CREDIT_GRANT": ("creditGrantRateCard", "creditGrantRateCards"),
    "USAGE": ("usageRateCard", "usageRateCards"),
    "LICENSE": ("licenseRateCard", "licenseRateCards"),
    "ENTITLEMENT_OVERAGE": ("entitlementOverageRateCard", "entitlementOverageRateCards"),
    "MINIMUM_COMMITMENT": ("minimumCommitmentRateCard", COMMITMENT),
}
"""The name of a card's details, and where version 1 has it, by its type."""
PLAN_FIELDS = ("pricingCycleConfig", "supportedCurrencies", "deferredRevenue")


def card_of(name: str, data: Json) -> Json:
    """A card as it is kept; raises 400 where its details are none of its type, or name another billable."""
    inside, place = KINDS[data["type"]]
    if list(data["rateCardDetails"]) != [inside]:
        raise TogaiError(400, f"operations: rateCardDetails of a {data['type']} hold one {inside} and nothing else")
    card = data["rateCardDetails"][inside]
    if place in CARDS and card[CARDS[place][0]] != data["billableId"]:
        raise TogaiError(400, f"operations: billableId is not that of {inside}")
    rates = card.get("rateValues") or card["rateDetails"]["currencySlabRateDetails"]
    shown = {"displayName": card.get("displayName") or data["billableId"]} | data
    return shown | {"name": name, "currencies": sorted({rate["currency"] for rate in rates})}


def details_of(fields: Json, cards: Iterable[Json]) -> Json:
    """The same plan in the form of version 1."""
    details = {name: fields[name] for name in PLAN_FIELDS if name in fields}
    for card in cards:
        inside, place = KINDS[card["type"]]
        body = {"displayName": card["displayName"], **card["rateCardDetails"][inside]}
        if place == COMMITMENT:
            details[place] = body
            continue
        if place not in ("usageRateCards", "entitlementOverageRateCards"):
            body.setdefault("invoiceTiming", card["invoiceTiming"])
        details[place] = [*details.get(place, []), body]
    return details


def cards_of(details: Json) -> tuple[Json, list[Json]]:
    """The fields of a plan and its cards, from the form of version 1."""
    cards = []
    for type, (inside, place) in KINDS.items():
        found = details.get(place) or []
        for number, card in enumerate([found] if place == COMMITMENT and found else found, 1):
            data = {
                "billableId": str(card[CARDS[place][0]]) if place in CARDS else COMMITMENT, "type": type,
                "invoiceTiming": card.get("invoiceTiming", "IN_ARREARS"), "rateCardDetails": {inside: card},
            }  # fmt: skip
            cards.append(card_of(card.get("name") or f"{type.lower()}-{number}", data))
    return {name: details[name] for name in PLAN_FIELDS if name in details}, cards
