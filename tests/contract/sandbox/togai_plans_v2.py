"""What Togai's documents say of version 2 of its price plans and schedules; see `togai_table`."""

from __future__ import annotations

from typing import Any

from tests.contract.sandbox.togai_plans import DETAILS, FOREVER, PLAN_ID

ACTIVE_V2, DRAFT_V2 = "V1", "V2"
"""Plans of version 2: an active one, and one that is a draft."""
CYCLE = DETAILS["pricingCycleConfig"]
NEW_PLAN_V2: dict[str, Any] = {
    "name": "Whole", "type": "BILLING", "description": "No card yet", "supportedCurrencies": ["USD"],
    "pricingCycleConfig": CYCLE, "deferredRevenue": False, "allowOngoingCycleUpdates": False,
}  # fmt: skip
CHANGED_V2 = {"description": "Other", "pricingCycleConfig": CYCLE, "supportedCurrencies": ["USD"]}


def card(type: str, inside: str, body: dict[str, Any], billable: str = "addon.1") -> dict[str, Any]:
    """A rate card in its frame."""
    return {
        "billableId": billable, "type": type, "displayName": "Card", "invoiceTiming": "IN_ADVANCE",
        "rateCardDetails": {inside: body}, "tag": "1",
    }  # fmt: skip


CARDS = {
    "fee": card("FIXED_FEE", "fixedFeeRateCard", DETAILS["fixedFeeRateCards"][0]),
    "usage": card("USAGE", "usageRateCard", DETAILS["usageRateCards"][0], "um.1"),
    "seats": card("LICENSE", "licenseRateCard", DETAILS["licenseRateCards"][0], "addon.2"),
    "grant": card(
        "BILLING_ENTITLEMENT", "billingEntitlementRateCard", DETAILS["billingEntitlementRateCards"][0], "feature.1"
    ),
    "overage": card(
        "ENTITLEMENT_OVERAGE", "entitlementOverageRateCard", DETAILS["entitlementOverageRateCards"][0], "feature.1"
    ),
    "credits": card("CREDIT_GRANT", "creditGrantRateCard", DETAILS["creditGrantRateCards"][0], "addon.3"),
    "least": card("MINIMUM_COMMITMENT", "minimumCommitmentRateCard", DETAILS["minimumCommitment"], "least"),
}
"""One of every type."""
OPERATIONS: dict[str, Any] = {
    "operations": [{"actionType": "CREATE", "rateCardName": name, "rateCard": body} for name, body in CARDS.items()]
}
CONFIG = {"pricePlanId": PLAN_ID, "pricingCycleConfigOverride": CYCLE, "retainStartOffsets": False}
EDIT_V2: dict[str, Any] = {"mode": "ASSOCIATE", **FOREVER, "associationConfig": CONFIG, "mergeSchedules": False}
EDITS_V2: dict[str, Any] = {"edits": [EDIT_V2]}
FINALIZED = {"mergeSchedules": False, "preActions": [{"type": "GRANT_LICENSE", "config": {"licenseId": "addon.2"}}]}

PLAN_V2 = frozenset({
    "id", "referenceId", "name", "type", "supportedCurrencies", "version", "status", "createdAt", "updatedAt",
})  # fmt: skip
PLAN_V2_MORE = frozenset({"description", "pricingCycleConfig", "deferredRevenue", "allowOngoingCycleUpdates"})
CARD_V2 = frozenset({
    "name", "referenceId", "referenceType", "displayName", "currencies", "pricePlanId", "billableId", "type",
    "invoiceTiming", "rateCardDetails",
})  # fmt: skip
CARD_V2_MORE = frozenset({"tag", "accountId"})
SCHEDULE_V2 = frozenset({
    "id", "accountId", "pricePlanId", "version", "deferredRevenue", "pricePlanInfo", "accountScheduleInfo",
    "startDate", "endDate", "isOverridden", "allowOngoingCycleUpdates",
})  # fmt: skip

WRONG: dict[str, list[Any]] = {
    "currencies_v2": ["USD", ["usd"], [5], ["USD", "USD"]],
    "operations": ["x", {}, [5], [{}], [{"actionType": "CREATE", "rateCardName": "x"}]],
    "action_type": ["ADD", "", 5],
    "card_name": [5, "", "n" * 51],
    "card_type": ["FEE", "USAGE", 5],
    "card_details": ["x", {}, {"usageRateCard": DETAILS["usageRateCards"][0]}, {"feeCard": {}}],
    "migration": ["LATER", "", 5],
    "versions": ["ALL", "", 5],
    "config": ["x", {"pricePlanId": 5}, {"pricePlanId": PLAN_ID, "scheduleId": "sch.1"}, {"planId": PLAN_ID}],
    "actions": ["x", [5], [{"type": "GRANT"}], [{}]],
}
CARD_TYPES = {"billableId": "id", "type": "card_type", "displayName": "description", "invoiceTiming": "timing",
              "rateCardDetails": "card_details", "tag": "card_name"}  # fmt: skip
