"""What Togai's documents say of each operation: a good request, the shape of its answer, and the type of each field."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.contract.sandbox import togai_invoices as invoices
from tests.contract.sandbox import togai_plans as plans
from tests.contract.sandbox import togai_plans_v2 as v2

ADDRESS_FIELDS = ("phoneNumber", "line1", "line2", "postalCode", "city", "state", "country")
FULL_ADDRESS = {
    "phoneNumber": "+49 30 1", "line1": "Hof 1", "line2": "2. Stock", "postalCode": "10115", "city": "Berlin",
    "state": "BE", "country": "DE",
}  # fmt: skip
NESTED_SETTING = {"id": "limit", "value": "5", "namespace": "USER", "name": "Limit", "dataType": "NUMERIC"}
DATED_ALIAS = {"value": "dated", "effectiveFrom": "2026-01-01T00:00:00Z", "effectiveUntil": "2027-01-01T00:00:00Z"}
ACCOUNT_FIELDS: dict[str, Any] = {
    "invoiceCurrency": "EUR", "netTermDays": 30, "primaryEmail": "b@example.com", "address": FULL_ADDRESS,
    "billingInformation": {"emailRecipients": ["c@example.com"], "additionalEmailRecipients": ["d@example.com"]},
    "metadata": {"VATN": "DE1"}, "tags": ["Stripe"], "status": "DRAFT",
}  # fmt: skip
NESTED_ACCOUNT: dict[str, Any] = {
    "id": "A2", "name": "Second account", **ACCOUNT_FIELDS, "aliases": ["second"], "accountAliases": [DATED_ALIAS],
    "settings": [NESTED_SETTING],
}  # fmt: skip
NEW_CUSTOMER: dict[str, Any] = {
    "id": "C2", "name": "Second customer", "primaryEmail": "a@example.com", "address": FULL_ADDRESS,
    "settings": [NESTED_SETTING], "account": NESTED_ACCOUNT,
}  # fmt: skip
NEW_ACCOUNT: dict[str, Any] = {**NESTED_ACCOUNT, "customerId": "C1"}
NEW_SETTING: dict[str, Any] = {**NESTED_SETTING, "entityType": "ACCOUNT", "entityId": "A1"}

CUSTOMER = frozenset({
    "id", "togaiCustomerId", "name", "primaryEmail", "billingAddress", "address", "status", "createdAt", "updatedAt"
})  # fmt: skip
CREATED = frozenset({"id", "togaiCustomerId", "name", "primaryEmail"})
CREATED_MORE = frozenset({"billingAddress", "address", "settings", "account"})
ACCOUNT = frozenset({"id", "togaiAccountId", "togaiCustomerId", "name", "customerId", "status"})
ACCOUNT_MORE = frozenset({
    "invoiceCurrency", "aliases", "netTermDays", "address", "primaryEmail", "billingInformation", "settings",
    "invoiceGroupDetails", "metadata", "tags",
})  # fmt: skip
SETTING = frozenset({"id", "value", "entityType", "entityId", "namespace", "name", "dataType"})
ALIAS = frozenset({"value", "createdAt"})
DATED = frozenset({"id", "value", "effectiveFrom", "effectiveUntil", "createdAt"})
PAGE, CONTEXT = frozenset({"data", "nextToken"}), frozenset({"context"})
DONE = frozenset({"success"})


@dataclass(frozen=True)
class Row:
    """One operation: where, with what, and how a good answer looks."""

    path: str
    status: int
    keys: frozenset[str]
    more: frozenset[str] = frozenset()
    body: dict[str, Any] | None = None
    items: tuple[frozenset[str], frozenset[str]] | None = None
    required: tuple[str, ...] = ()
    types: dict[str, str] = field(default_factory=dict)
    quota: str = ""
    sizes: tuple[int, int] = (20, 100)

    def sent(self) -> Any:
        """A body of the caller's own to change."""
        return json.loads(json.dumps(self.body))


def under(prefix: str, types: dict[str, str]) -> dict[str, str]:
    """Fields inside another field."""
    return {f"{prefix}.{name}": kind for name, kind in types.items()}


ADDRESS_TYPES = dict.fromkeys(ADDRESS_FIELDS, "text")
SETTING_TYPES = {"id": "text", "value": "text", "namespace": "text", "name": "text", "dataType": "data_type"}
ALIAS_TYPES = {"value": "alias_value", "effectiveFrom": "moment", "effectiveUntil": "moment"}
CHANGE_TYPES = {
    "invoiceCurrency": "currency", "netTermDays": "int32", "primaryEmail": "email", "address": "hash",
    **under("address", ADDRESS_TYPES), "billingInformation": "hash", "billingInformation.emailRecipients": "emails",
    "billingInformation.additionalEmailRecipients": "emails", "metadata": "map", "tags": "unique_texts",
    "status": "account_status", "name": "name",
}  # fmt: skip
NESTED_TYPES = {
    "id": "id", **CHANGE_TYPES, "aliases": "aliases", "accountAliases": "list",
    **under("accountAliases.0", ALIAS_TYPES), "settings": "list", **under("settings.0", SETTING_TYPES),
}  # fmt: skip
CUSTOMER_TYPES = {"name": "name", "primaryEmail": "email", "address": "hash", **under("address", ADDRESS_TYPES)}
NEW_CUSTOMER_TYPES = {
    "id": "id", **CUSTOMER_TYPES, "settings": "list", **under("settings.0", SETTING_TYPES), "account": "hash",
    **under("account", NESTED_TYPES),
}  # fmt: skip

WRONG: dict[str, list[Any]] = {
    **plans.WRONG,
    **invoices.WRONG,
    **v2.WRONG,
    "text": [5, True, [], {}],
    "id": [5, True, [], "", "i" * 51],
    "name": [5, "ab", "n" * 256, {}],
    "email": [5, "e" * 321, []],
    "currency": [5, "EU", "EURO", ""],
    "int32": ["30", 1.5, True, 2**31, -(2**31) - 1],
    "hash": ["x", 5, [], {"noSuchField": "x"}],
    "map": ["x", [], {"a": 1}, {"a": {"b": "c"}}, {"a": True}],
    "list": ["x", {}, [5], ["x"], [[]]],
    "emails": ["a@example.com", [5], ["e" * 321]],
    "texts": ["x", [5], {}],
    "unique_texts": ["x", [5], ["a", "a"]],
    "aliases": ["x", ["ab"], ["a" * 51], [5], ["abc", "abc"], [f"alias{n}" for n in range(11)]],
    "some_aliases": ["x", ["ab"], ["a" * 51], [5], ["abc", "abc"], [f"alias{n}" for n in range(11)], []],
    "alias_value": [5, "", "a" * 51],
    "free_alias": [5, "a" * 256],
    "account_status": ["ARCHIVED", "active", "", 1],
    "data_type": ["TEXT", "string", "", 1],
    "moment": ["yesterday", "2026-13-01T00:00:00Z", [], {}],
}
UNKNOWN_ID = "nobody-knows-this"
GROUP = frozenset({
    "id", "name", "email", "dailyInvoiceConsolidation", "invoiceCurrency", "billingAddress", "accountsCount",
    "createdAt", "updatedAt",
})  # fmt: skip
GROUP_MORE = frozenset({"netTermDays", "gracePeriod"})
NEW_GROUP: dict[str, Any] = {
    "name": "Group", "email": "g@example.com", "dailyInvoiceConsolidation": True, "accountIds": ["A1"],
    "address": FULL_ADDRESS, "netTermDays": 30,
}  # fmt: skip
ROWS: dict[str, Row] = {
    "invoice_groups.create": Row(
        "/invoice_groups", 200, GROUP, GROUP_MORE, NEW_GROUP,
        required=("name", "email", "dailyInvoiceConsolidation", "accountIds", "address"),
        types={"name": "text", "email": "email", "dailyInvoiceConsolidation": "flag", "accountIds": "texts",
               "netTermDays": "int32", "address": "hash", **under("address", ADDRESS_TYPES)},
    ),
    "invoice_groups.list": Row("/invoice_groups", 200, PAGE, items=(GROUP, GROUP_MORE)),
    "invoice_groups.retrieve": Row("/invoice_groups/G1", 200, GROUP | {"accounts"}, GROUP_MORE),
    "invoice_groups.add_accounts": Row(
        "/invoice_groups/G1/add_accounts", 200, GROUP, GROUP_MORE, {"accountIds": ["A1"]}, required=("accountIds",),
        types={"accountIds": "texts"},
    ),
    "invoice_groups.remove_accounts": Row(
        "/invoice_groups/G1/remove_accounts", 200, GROUP, GROUP_MORE, {"accountIds": ["A1"]}, required=("accountIds",),
        types={"accountIds": "texts"},
    ),
    "customers.create": Row(
        "/customers", 201, CREATED, CREATED_MORE, NEW_CUSTOMER, types=NEW_CUSTOMER_TYPES, quota="togai_customer_quota",
        required=("id", "name", "primaryEmail", "address", "settings.0.id", "settings.0.value", "settings.0.namespace",
                  "settings.0.name", "settings.0.dataType", "account.id", "account.name"),
    ),
    "customers.list": Row("/customers", 200, PAGE, CONTEXT, items=(CUSTOMER, frozenset())),
    "customers.retrieve": Row("/customers/C1", 200, CUSTOMER),
    "customers.update": Row(
        "/customers/C1", 200, CUSTOMER, types=CUSTOMER_TYPES,
        body={"name": "Other", "primaryEmail": "o@example.com", "address": FULL_ADDRESS},
    ),
    "customers.delete": Row("/customers/C1", 200, DONE),
    "accounts.create": Row(
        "/accounts", 201, ACCOUNT, ACCOUNT_MORE, NEW_ACCOUNT, required=("id", "name", "customerId"),
        types={**NESTED_TYPES, "customerId": "text"}, quota="togai_account_quota",
    ),
    "accounts.list": Row("/accounts", 200, PAGE, CONTEXT, items=(ACCOUNT, ACCOUNT_MORE)),
    "accounts.retrieve": Row("/accounts/A1", 200, ACCOUNT, ACCOUNT_MORE),
    "accounts.update": Row(
        "/accounts/A1", 200, ACCOUNT, ACCOUNT_MORE, {"name": "Other", **ACCOUNT_FIELDS}, types=CHANGE_TYPES,
    ),
    "accounts.delete": Row("/accounts/A1", 200, DONE),
    "accounts.add_aliases": Row(
        "/accounts/A1/add_aliases", 200, ACCOUNT, ACCOUNT_MORE,
        {"aliases": ["another"], "accountAliases": [DATED_ALIAS]}, quota="togai_alias_quota",
        types={"aliases": "some_aliases", "accountAliases": "list", **under("accountAliases.0", ALIAS_TYPES)},
        required=("accountAliases.0.value",),
    ),
    "accounts.remove_aliases": Row(
        "/accounts/A1/remove_aliases", 200, ACCOUNT, ACCOUNT_MORE, {"aliases": ["first"]},
        types={"aliases": "texts", "accountAliases": "list"},
    ),
    "accounts.account_aliases": Row(
        "/accounts/A1/account_aliases", 200, frozenset({"data"}), frozenset({"nextToken"}), items=(DATED, frozenset()),
    ),
    "accounts.associate_price_plan": Row(
        "/accounts/A1/price_plans", 200, plans.ASSOCIATED, body=plans.ASSOCIATION, types=plans.EDIT_TYPES,
        required=("effectiveFrom", "effectiveUntil", "pricePlanId"),
    ),
    "accounts.edit_schedules": Row(
        "/accounts/A1/edit_schedules", 200, plans.ASSOCIATED, body={"edits": [plans.ASSOCIATION]},
        types={"edits": "edits", **under("edits.0", plans.EDIT_TYPES)}, required=("edits", "edits.0.effectiveFrom"),
    ),
    "accounts.pricing_schedules": Row(
        "/accounts/A1/pricing_schedules", 200, PAGE, items=(plans.SCHEDULE, plans.SCHEDULE_MORE),
    ),
    "accounts.wallet": Row("/accounts/A1/wallet", 200, invoices.WALLET),
    "accounts.wallet_topup": Row(
        "/accounts/A1/wallet_topup", 200, invoices.WALLET, body={"topupAmount": 5}, types={"topupAmount": "positive"},
        required=("topupAmount",),
    ),
    "accounts.wallet_entries": Row(
        "/accounts/A1/wallet/entries", 200, PAGE, items=(invoices.WALLET_ENTRY, frozenset()),
    ),
    "price_plans.create": Row(
        "/price_plans", 200, plans.PLAN, plans.PLAN_MORE, plans.NEW_PLAN, quota="togai_price_plan_quota",
        required=("name", "pricePlanDetails", "pricePlanDetails.supportedCurrencies"),
        types={"name": "plan_name", "description": "description", "type": "plan_type", "pricingRules": "rules",
               "pricePlanDetails": "hash",
               "pricePlanDetails.deferredRevenue": "flag", **under("pricePlanDetails", plans.DETAIL_TYPES)},
    ),
    "price_plans.list": Row(
        "/price_plans", 200, PAGE, CONTEXT, items=(plans.LISTED_PLAN, plans.LISTED_PLAN_MORE),
    ),
    "price_plans.retrieve": Row("/price_plans/P1", 200, plans.PLAN, plans.PLAN_MORE),
    "price_plans.update": Row(
        "/price_plans/P2", 200, plans.PLAN, plans.PLAN_MORE, plans.CHANGED_PLAN,
        types={"description": "description", **under("pricePlanDetails", plans.DETAIL_TYPES)},
    ),
    "price_plans.delete": Row("/price_plans/P1", 200, DONE),
    "price_plans.activate": Row(
        "/price_plans/P2/activate", 200, plans.PLAN, plans.PLAN_MORE, {"currencies": ["USD"]},
        required=("currencies",), types={"currencies": "currencies"},
    ),
    "v2.price_plans.create": Row(
        "/v2/price_plans", 200, v2.PLAN_V2, v2.PLAN_V2_MORE, v2.NEW_PLAN_V2, quota="togai_price_plan_quota",
        required=("name", "type", "supportedCurrencies"),
        types={"name": "plan_name", "description": "description", "type": "plan_type",
               "supportedCurrencies": "currencies_v2", "pricingCycleConfig.interval": "interval",
               "deferredRevenue": "flag", "allowOngoingCycleUpdates": "flag"},
    ),
    "v2.price_plans.list": Row("/v2/price_plans", 200, PAGE, items=(v2.PLAN_V2, v2.PLAN_V2_MORE)),
    "v2.price_plans.retrieve": Row("/v2/price_plans/V1?version=ACTIVE", 200, v2.PLAN_V2, v2.PLAN_V2_MORE),
    "v2.price_plans.update": Row(
        "/v2/price_plans/V1", 200, v2.PLAN_V2, v2.PLAN_V2_MORE, v2.CHANGED_V2,
        types={"description": "description", "supportedCurrencies": "currencies_v2"},
    ),
    "v2.price_plans.discard": Row("/v2/price_plans/V2/discard", 200, DONE),
    "v2.price_plans.finalize": Row(
        "/v2/price_plans/V2/finalize", 200, DONE, body={"migrationMode": "NONE", "versionsToMigrate": "ALL_VERSION"},
        types={"migrationMode": "migration", "versionsToMigrate": "versions"},
    ),
    "v2.price_plans.errors": Row("/v2/price_plans/V2/errors", 200, PAGE),
    "v2.price_plans.versions": Row(
        "/v2/price_plans/V1/versions", 200, PAGE, items=(v2.PLAN_V2, v2.PLAN_V2_MORE),
    ),
    "v2.price_plans.rate_cards": Row(
        "/v2/price_plans/V1/rate_cards", 200, PAGE, items=(v2.CARD_V2, v2.CARD_V2_MORE),
    ),
    "v2.price_plans.change_cards": Row(
        "/v2/price_plans/V2/rate_cards", 200, frozenset({"rateCards"}), body=v2.OPERATIONS,
        required=("operations", "operations.0.actionType", "operations.0.rateCardName",
                  *(f"operations.0.rateCard.{name}" for name in ("billableId", "type", "invoiceTiming",
                                                                 "rateCardDetails"))),
        types={"operations": "operations", "operations.0.actionType": "action_type",
               "operations.0.rateCardName": "card_name", **under("operations.0.rateCard", v2.CARD_TYPES)},
    ),
    "v2.accounts.edit_schedules": Row(
        "/v2/accounts/A1/edit_schedules", 200, plans.ASSOCIATED, body=v2.EDITS_V2,
        required=("edits", "edits.0.effectiveFrom", "edits.0.effectiveUntil"),
        types={"edits": "edits", "edits.0.mode": "mode", "edits.0.effectiveFrom": "day",
               "edits.0.effectiveUntil": "day", "edits.0.associationConfig": "config",
               "edits.0.mergeSchedules": "flag"},
    ),
    "v2.accounts.finalize_schedules": Row(
        "/v2/accounts/A1/finalize_schedules", 200, PAGE, body=v2.FINALIZED,
        items=(v2.SCHEDULE_V2, frozenset()), types={"mergeSchedules": "flag", "preActions": "actions"},
    ),
    "v2.accounts.discard_schedules": Row("/v2/accounts/A1/discard_schedules", 200, DONE),
    "v2.accounts.schedules": Row(
        "/v2/accounts/A1/schedules?mode=ACTIVE", 200, PAGE, items=(v2.SCHEDULE_V2, frozenset()),
    ),
    "v2.schedules.rate_cards": Row(
        "/v2/schedules/SCHEDULE/rate_cards?mode=ACTIVE", 200, PAGE, items=(v2.CARD_V2, v2.CARD_V2_MORE),
    ),
    "v2.schedules.errors": Row("/v2/schedules/SCHEDULE/errors", 200, PAGE),
    "addons.create": Row(
        "/addons", 200, plans.ADDON, plans.BILLABLE_MORE, {"name": "Fee", "type": "FIXED_FEE", "billableName": "Shown"},
        required=("name", "type"), types={"name": "label", "type": "addon_type", "billableName": "label"},
    ),
    "addons.list": Row("/addons", 200, PAGE, CONTEXT, items=(plans.ADDON, plans.BILLABLE_MORE)),
    "addons.retrieve": Row("/addons/addon.1", 200, plans.ADDON, plans.BILLABLE_MORE),
    "usage_meters.create": Row(
        "/usage_meters", 201, plans.METER, plans.METER_MORE, plans.NEW_METER, required=("name", "type", "aggregation"),
        types={"name": "meter_name", "type": "meter_type", "aggregation": "aggregation", "billableName": "label",
               "description": "description", "filters": "cards", "computations": "cards"},
    ),
    "usage_meters.list": Row("/usage_meters", 200, PAGE, CONTEXT, items=(plans.METER, plans.METER_MORE)),
    "usage_meters.retrieve": Row("/usage_meters/um.1", 200, plans.METER, plans.METER_MORE),
    "features.create": Row(
        "/features", 200, plans.FEATURE, plans.BILLABLE_MORE, plans.NEW_FEATURE,
        required=("name", "schemaAssociations"), types={"name": "label", "schemaAssociations": "cards"},
    ),
    "features.list": Row("/features", 200, PAGE, CONTEXT, items=(plans.LISTED_FEATURE, plans.BILLABLE_MORE)),
    "features.retrieve": Row("/features/feature.1", 200, plans.FEATURE, plans.BILLABLE_MORE),
    "invoices.create": Row(
        "/invoices", 201, invoices.INVOICE, invoices.INVOICE_MORE, invoices.NEW_INVOICE, types=invoices.INVOICE_TYPES,
        required=("accountId", "startDate", "endDate", "status", "lineItems"),
    ),
    "invoices.list": Row(
        "/invoices", 200, PAGE, items=(invoices.SUMMARY, invoices.SUMMARY_MORE), sizes=(50, 50),
    ),
    "invoices.retrieve": Row("/invoices/DUE", 200, invoices.INVOICE, invoices.INVOICE_MORE),
    "invoices.update": Row(
        "/invoices/DRAFT", 200, invoices.INVOICE, invoices.INVOICE_MORE, invoices.CHANGED_INVOICE,
        types={"status": "new_status", "startDate": "moment", "lineItems": "custom_lines", "autoAdvance": "flag"},
    ),
    "invoices.delete": Row("/invoices/DRAFT", 200, DONE),
    "invoices.charge": Row(
        "/invoices/DRAFT/miscellaneous_charges", 200, frozenset({"data"}), body=invoices.CHARGES, required=("items",),
        types={"items": "charges"},
    ),
    "payments.create": Row(
        "/payments", 201, invoices.PAYMENT, invoices.PAYMENT_MORE, invoices.NEW_PAYMENT, types=invoices.PAYMENT_TYPES,
        required=("accountId", "currency", "totalAmount", "externalPaymentReference", "lineItemRecords",
                  "externalPaymentReference.sourceName", "lineItemRecords.0.type", "lineItemRecords.0.order"),
    ),
    "payments.list": Row(
        "/payments", 200, PAGE, items=(invoices.PAYMENT, invoices.PAYMENT_MORE), sizes=(50, 50),
    ),
    "payments.retrieve": Row("/payments/PAID", 200, invoices.PAYMENT, invoices.PAYMENT_MORE),
    "aliases.create": Row(
        "/aliases", 201, frozenset({"data"}), frozenset({"nextToken"}), {"aliases": [{"value": "later"}]},
        items=(ALIAS, frozenset()), required=("aliases", "aliases.0.value"), quota="togai_alias_quota",
        types={"aliases": "list", "aliases.0.value": "free_alias"},
    ),
    "aliases.list": Row("/aliases", 200, PAGE, items=(ALIAS, frozenset())),
    "aliases.retrieve": Row("/aliases/free", 200, ALIAS),
    "aliases.delete": Row("/aliases/free", 200, DONE),
    "settings.create": Row(
        "/settings", 201, SETTING, body=NEW_SETTING, required=tuple(sorted(SETTING)),
        types={**SETTING_TYPES, "entityType": "text", "entityId": "text"},
    ),
    "settings.list": Row("/settings", 200, PAGE, CONTEXT, items=(SETTING, frozenset())),
    "settings.retrieve": Row("/settings/setting.USER.kept.ACCOUNT.A1", 200, SETTING),
    "settings.update": Row(
        "/settings/setting.USER.kept.ACCOUNT.A1", 201, SETTING,
        body={"name": "Other", "value": "9", "dataType": "NUMERIC"},
        types={"name": "text", "value": "text", "dataType": "data_type"},
    ),
}  # fmt: skip
