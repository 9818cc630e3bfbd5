"""How an invoice is collected at Stripe, by its flow link's options and its customer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SEND, CHARGE = "send_invoice", "charge_automatically"
LONGEST_NUMBER = 26
"""Characters that Stripe takes as an invoice's number."""
LONGEST_FIELD = 140
TRANSFERS = {
    "US": ("us_bank_transfer", "USD"), "GB": ("gb_bank_transfer", "GBP"), "JP": ("jp_bank_transfer", "JPY"),
    "MX": ("mx_bank_transfer", "MXN"),
}  # fmt: skip
"""The kind of bank transfer that a country's customers make, and the currency that goes with it."""
EURO_COUNTRIES = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CY",
        "DE",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PT",
        "SI",
        "SK",
    ]
)
EURO_ACCOUNTS = frozenset({"BE", "DE", "ES", "FR", "IE", "NL"})
"""Countries in which Stripe opens the account that a transfer in euro goes to: the others get one in IE."""


def has_method(customer: Mapping[str, Any]) -> bool:
    """Whether Stripe has by what to charge the customer's invoices."""
    settings = customer.get("invoice_settings") or {}
    return bool(settings.get("default_payment_method") or customer.get("default_source"))


def number_params(number: str, *, is_own: bool, is_taken: bool) -> tuple[dict[str, Any], str]:
    """Where Togai's number stands on the Stripe invoice, and a note where that is not what was asked for."""
    if not number:
        return {}, ""
    if is_own and not is_taken and len(number) <= LONGEST_NUMBER:
        return {"number": number}, ""
    field = {"custom_fields": [{"name": "Invoice", "value": number[:LONGEST_FIELD]}]}
    why = "another invoice at Stripe has it" if is_taken else f"Stripe takes {LONGEST_NUMBER} characters"
    return field, f"its number {number} stands in a custom field: {why}" if is_own else ""


def transfer_params(country: str, currency: str) -> tuple[dict[str, Any], str]:
    """Bank transfer beside cards, where the customer's country and the invoice's currency have one; else why not."""
    kind, wanted = TRANSFERS.get(country, ("eu_bank_transfer", "EUR") if country in EURO_COUNTRIES else ("", ""))
    if not kind:
        return {}, f"no bank transfer: Stripe has none for customers in {country or 'no known country'}"
    if currency != wanted:
        return {}, f"no bank transfer: customers in {country} pay by it in {wanted}, and the invoice is in {currency}"
    transfer: dict[str, Any] = {"type": kind}
    if kind == "eu_bank_transfer":
        transfer[kind] = {"country": country if country in EURO_ACCOUNTS else "IE"}
    options = {"customer_balance": {"funding_type": "bank_transfer", "bank_transfer": transfer}}
    types = ["card", "customer_balance"]
    return {"payment_settings": {"payment_method_types": types, "payment_method_options": options}}, ""
