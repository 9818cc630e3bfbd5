"""What Togai's documents say of its price plan operations; see `togai_table`."""

from __future__ import annotations

from typing import Any

PLAN_ID, RATES = "P1", {"USD": "49.00", "EUR": "45.00"}
SLABS = [{"order": 1, "startAfter": 0, "priceType": "PER_UNIT", "slabConfig": {}}]
RATE_PLAN = {"pricingModel": "TIERED", "slabs": SLABS}
SLAB_RATES = [{"currency": "USD", "slabRates": [{"order": 1, "rate": 10.5, "slabRateConfig": {}}]}]
CARD = {"displayName": "Card", "tag": "1"}
DETAILS: dict[str, Any] = {
    "supportedCurrencies": ["USD"],
    "pricingCycleConfig": {
        "interval": "MONTHLY", "gracePeriod": 1, "startOffset": {"dayOffset": "1", "monthOffset": "NIL"},
        "anniversaryCycle": False,
    },
    "usageRateCards": [{**CARD, "usageMeterId": "um.1", "ratePlan": RATE_PLAN, "rateValues": SLAB_RATES}],
    "fixedFeeRateCards": [{
        **CARD, "id": "addon.1", "rateValues": [{"currency": "USD", "rate": 0.1}], "enableProration": False,
        "invoiceTiming": "IN_ADVANCE", "type": "RECURRING", "recurrenceConfig": {"interval": 2, "offset": 1},
    }],
    "licenseRateCards": [{
        **CARD, "id": "addon.2", "enableProration": True, "ratePlan": RATE_PLAN, "rateValues": SLAB_RATES,
        "type": "LICENSE", "usageCycle": "MONTHLY", "config": {"maxQuantity": 100}, "proratedRefundMode": "NONE",
    }],
    "billingEntitlementRateCards": [{
        **CARD, "featureId": "feature.1", "invoiceTiming": "PREPAID", "ratePlan": RATE_PLAN, "rateValues": SLAB_RATES,
        "featureConfigs": [{"featureCreditLimit": 100, "effectiveUntil": "P20D"}],
    }],
    "entitlementOverageRateCards": [{
        **CARD, "featureId": "feature.1", "ratePlan": RATE_PLAN, "rateValues": SLAB_RATES, "maxQuantity": 5,
        "billingConfig": {"interval": 1, "startOffset": 0},
    }],
    "creditGrantRateCards": [{
        **CARD, "id": "addon.3", "grantDetails": {"priority": 0, "expiryType": "NO_EXPIRY"},
        "rateDetails": {"pricingModel": "VOLUME", "currencySlabRateDetails": [{
            "currency": "USD", "creditAmount": 10, "slabDetails": [{"startAfter": 0, "priceType": "FLAT", "rate": 9}],
        }]},
    }],
    "minimumCommitment": {"displayName": "At least", "rateValues": [{"currency": "USD", "rate": 5}]},
    "deferredRevenue": False,
}  # fmt: skip
RULE = {"name": "Less", "order": 1, "computation": "{}", "action": {"type": "ADD", "target": "x"}}
NEW_PLAN: dict[str, Any] = {
    "name": "Whole", "type": "BILLING", "description": "Every card", "pricePlanDetails": DETAILS,
    "pricingRules": [RULE],
}  # fmt: skip
CHANGED_PLAN = {
    "description": "Other",
    "pricePlanDetails": {name: value for name, value in DETAILS.items() if name != "deferredRevenue"},
}
FOREVER = {"effectiveFrom": "2999-01-01", "effectiveUntil": "9999-01-01"}
ASSOCIATION: dict[str, Any] = {"mode": "ASSOCIATE", "pricePlanId": PLAN_ID, **FOREVER, "retainStartOffsets": False}

PLAN = frozenset({"id", "name", "type", "status", "pricingSchedule"})
PLAN_MORE = frozenset({"description"})
LISTED_PLAN = frozenset({
    "id", "name", "version", "status", "usageMeters", "pricePlanDetails", "createdAt", "updatedAt", "type",
})  # fmt: skip
LISTED_PLAN_MORE = frozenset({"description", "pricingRules"})
ASSOCIATED = frozenset({"accountId", "accountName", "pricingSchedules"})
SCHEDULE = frozenset({"id", "pricePlanId", "startDate", "endDate", "version", "isOverriden"})
SCHEDULE_MORE = frozenset({"pricePlanName", "pricePlanDetails", "pricingRules", "pricePlanInfo"})

BILLABLES = {
    "addons": ["addon.1", "addon.2", "addon.3"], "usage_meters": ["um.1"], "features": ["feature.1"],
}  # fmt: skip
NEW_METER: dict[str, Any] = {
    "name": "rides", "type": "COUNTER", "aggregation": "SUM", "billableName": "Rides", "description": "Cab rides",
    "filters": [{"field": "city", "value": "Pune"}], "computations": [{"computation": "1", "order": 1}],
    "eventSchemaName": "ride",
}  # fmt: skip
NEW_FEATURE: dict[str, Any] = {
    "name": "Calls", "schemaAssociations": [{"schemaName": "call", "attributeName": "seconds"}],
}  # fmt: skip
ADDON = frozenset({"id", "name", "type", "status", "displayName", "createdAt"})
METER = frozenset({"id", "name", "type", "aggregation", "displayName", "status", "createdAt", "updatedAt"})
METER_MORE = frozenset({"billableName", "description", "filters", "computations"})
FEATURE = frozenset({"id", "name", "displayName", "schemaAssociations", "createdAt", "updatedAt"})
LISTED_FEATURE = (FEATURE - {"schemaAssociations"}) | {"schemaCount"}
BILLABLE_MORE = frozenset({"billableName"})

WRONG: dict[str, list[Any]] = {
    "label": [5, "", "n" * 256],
    "addon_type": ["FEE", 5],
    "meter_name": [5, "", "n" * 51, "a.b"],
    "meter_type": ["GAUGE", 5],
    "aggregation": ["AVG", 5],
    "plan_name": [5, "", "n" * 51],
    "description": [5, "d" * 256],
    "plan_type": ["ENTITLEMENT", 5],
    "currencies": ["USD", [], ["usd"], [5]],
    "interval": ["DAILY", "", 5],
    "rate": ["0.1", True, [], {}],
    "flag": ["true", 1],
    "timing": ["LATER", ""],
    "order": [0, 101, "1", 1.5],
    "day": ["yesterday", 5, "2026-13-01", "2026-01-01T10:00:00Z"],
    "mode": ["ATTACH", ""],
    "cards": ["x", {}, [5], [{}]],
    "edits": ["x", [], [{}], [FOREVER] * 11],
    "rules": ["x", [{"name": "x"}], [5]],
}
DETAIL_TYPES = {
    "supportedCurrencies": "currencies", "pricingCycleConfig.interval": "interval",
    "usageRateCards": "cards", "usageRateCards.0.ratePlan.slabs.0.order": "order",
    "usageRateCards.0.rateValues.0.slabRates.0.rate": "rate", "fixedFeeRateCards": "cards",
    "fixedFeeRateCards.0.rateValues.0.rate": "rate", "fixedFeeRateCards.0.enableProration": "flag",
    "fixedFeeRateCards.0.invoiceTiming": "timing", "licenseRateCards": "cards", "creditGrantRateCards": "cards",
    "billingEntitlementRateCards": "cards", "entitlementOverageRateCards": "cards", "minimumCommitment": "hash",
}  # fmt: skip
EDIT_TYPES = {"mode": "mode", "pricePlanId": "text", "effectiveFrom": "day", "effectiveUntil": "day",
              "retainStartOffsets": "flag"}  # fmt: skip
