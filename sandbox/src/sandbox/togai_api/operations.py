"""The table of Togai operations that the sandbox serves."""

from __future__ import annotations

import re
from urllib.parse import unquote

from sandbox.togai_api import (
    accounts,
    aliases,
    billables,
    customers,
    drafts,
    invoice_groups,
    invoices,
    payments,
    plans_v2,
    price_plans,
    schedules,
    settings,
    wallets,
)
from sandbox.togai_api.calls import Operation

OPERATIONS = (
    Operation("customers.create", "POST", "/customers", customers.create),
    Operation("customers.list", "GET", "/customers", customers.listed),
    Operation("customers.retrieve", "GET", "/customers/{id}", customers.retrieve),
    Operation("customers.update", "PATCH", "/customers/{id}", customers.update),
    Operation("customers.delete", "DELETE", "/customers/{id}", customers.archive),
    Operation("accounts.create", "POST", "/accounts", accounts.create),
    Operation("accounts.list", "GET", "/accounts", accounts.listed),
    Operation("accounts.retrieve", "GET", "/accounts/{id}", accounts.retrieve),
    Operation("accounts.update", "PATCH", "/accounts/{id}", accounts.update),
    Operation("accounts.delete", "DELETE", "/accounts/{id}", accounts.archive),
    Operation("accounts.add_aliases", "POST", "/accounts/{id}/add_aliases", accounts.add_aliases),
    Operation("accounts.remove_aliases", "POST", "/accounts/{id}/remove_aliases", accounts.remove_aliases),
    Operation("accounts.account_aliases", "GET", "/accounts/{id}/account_aliases", accounts.account_aliases),
    Operation("accounts.associate_price_plan", "POST", "/accounts/{id}/price_plans", schedules.associate),
    Operation("accounts.edit_schedules", "POST", "/accounts/{id}/edit_schedules", schedules.edit),
    Operation("accounts.pricing_schedules", "GET", "/accounts/{id}/pricing_schedules", schedules.listed),
    Operation("accounts.wallet", "GET", "/accounts/{id}/wallet", wallets.retrieve),
    Operation("accounts.wallet_topup", "POST", "/accounts/{id}/wallet_topup", wallets.top_up),
    Operation("accounts.wallet_entries", "GET", "/accounts/{id}/wallet/entries", wallets.listed),
    Operation("price_plans.create", "POST", "/price_plans", price_plans.create),
    Operation("price_plans.list", "GET", "/price_plans", price_plans.listed),
    Operation("price_plans.retrieve", "GET", "/price_plans/{id}", price_plans.retrieve),
    Operation("price_plans.update", "PATCH", "/price_plans/{id}", price_plans.update),
    Operation("price_plans.delete", "DELETE", "/price_plans/{id}", price_plans.archive),
    Operation("price_plans.activate", "POST", "/price_plans/{id}/activate", price_plans.activate),
    Operation("v2.price_plans.create", "POST", "/v2/price_plans", plans_v2.create),
    Operation("v2.price_plans.list", "GET", "/v2/price_plans", plans_v2.listed),
    Operation("v2.price_plans.retrieve", "GET", "/v2/price_plans/{id}", plans_v2.retrieve),
    Operation("v2.price_plans.update", "PATCH", "/v2/price_plans/{id}", plans_v2.update),
    Operation("v2.price_plans.discard", "DELETE", "/v2/price_plans/{id}/discard", plans_v2.discard),
    Operation("v2.price_plans.finalize", "POST", "/v2/price_plans/{id}/finalize", plans_v2.finalize),
    Operation("v2.price_plans.errors", "GET", "/v2/price_plans/{id}/errors", plans_v2.errors),
    Operation("v2.price_plans.versions", "GET", "/v2/price_plans/{id}/versions", plans_v2.versions),
    Operation("v2.price_plans.rate_cards", "GET", "/v2/price_plans/{id}/rate_cards", plans_v2.rate_cards),
    Operation("v2.price_plans.change_cards", "POST", "/v2/price_plans/{id}/rate_cards", plans_v2.change_cards),
    Operation("v2.accounts.edit_schedules", "POST", "/v2/accounts/{id}/edit_schedules", drafts.edit),
    Operation("v2.accounts.finalize_schedules", "POST", "/v2/accounts/{id}/finalize_schedules", drafts.finalize),
    Operation("v2.accounts.discard_schedules", "DELETE", "/v2/accounts/{id}/discard_schedules", drafts.discard),
    Operation("v2.accounts.schedules", "GET", "/v2/accounts/{id}/schedules", drafts.listed),
    Operation("v2.schedules.rate_cards", "GET", "/v2/schedules/{id}/rate_cards", drafts.rate_cards),
    Operation("v2.schedules.errors", "GET", "/v2/schedules/{id}/errors", drafts.errors),
    Operation("addons.create", "POST", "/addons", billables.create_addon),
    Operation("addons.list", "GET", "/addons", billables.listed(billables.ADDON)),
    Operation("addons.retrieve", "GET", "/addons/{id}", billables.retrieve(billables.ADDON)),
    Operation("usage_meters.create", "POST", "/usage_meters", billables.create_meter),
    Operation("usage_meters.list", "GET", "/usage_meters", billables.listed(billables.METER)),
    Operation("usage_meters.retrieve", "GET", "/usage_meters/{id}", billables.retrieve(billables.METER)),
    Operation("features.create", "POST", "/features", billables.create_feature),
    Operation("features.list", "GET", "/features", billables.listed(billables.FEATURE)),
    Operation("features.retrieve", "GET", "/features/{id}", billables.retrieve(billables.FEATURE)),
    Operation("invoices.create", "POST", "/invoices", invoices.create),
    Operation("invoices.list", "GET", "/invoices", invoices.listed),
    Operation("invoices.retrieve", "GET", "/invoices/{id}", invoices.retrieve),
    Operation("invoices.update", "PATCH", "/invoices/{id}", invoices.update),
    Operation("invoices.delete", "DELETE", "/invoices/{id}", invoices.delete),
    Operation("invoices.charge", "PUT", "/invoices/{id}/miscellaneous_charges", invoices.charge),
    Operation("invoice_groups.create", "POST", "/invoice_groups", invoice_groups.create),
    Operation("invoice_groups.list", "GET", "/invoice_groups", invoice_groups.listed),
    Operation("invoice_groups.retrieve", "GET", "/invoice_groups/{id}", invoice_groups.retrieve),
    Operation("invoice_groups.add_accounts", "POST", "/invoice_groups/{id}/add_accounts", invoice_groups.add_accounts),
    Operation(
        "invoice_groups.remove_accounts", "POST", "/invoice_groups/{id}/remove_accounts", invoice_groups.remove_accounts
    ),
    Operation("payments.create", "POST", "/payments", payments.create),
    Operation("payments.list", "GET", "/payments", payments.listed),
    Operation("payments.retrieve", "GET", "/payments/{id}", payments.retrieve),
    Operation("aliases.create", "POST", "/aliases", aliases.create),
    Operation("aliases.list", "GET", "/aliases", aliases.listed),
    Operation("aliases.retrieve", "GET", "/aliases/{id}", aliases.retrieve),
    Operation("aliases.delete", "DELETE", "/aliases/{id}", aliases.delete),
    Operation("settings.create", "POST", "/settings", settings.create),
    Operation("settings.list", "GET", "/settings", settings.listed),
    Operation("settings.retrieve", "GET", "/settings/{id}", settings.retrieve),
    Operation("settings.update", "PATCH", "/settings/{id}", settings.update),
)
_PATTERNS = [(operation, re.compile(operation.path.replace("{id}", "([^/]+)"))) for operation in OPERATIONS]


def find(method: str, raw_path: str) -> tuple[Operation, str] | None:
    """The operation of a request and the id in its path, or None; the path is still percent-encoded."""
    for operation, pattern in _PATTERNS:
        found = pattern.fullmatch(raw_path)
        if found and operation.method == method:
            return operation, unquote(found.group(1)) if found.groups() else ""
    return None
