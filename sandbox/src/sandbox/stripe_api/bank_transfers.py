"""Bank transfers on an invoice: `customer_balance` among its payment methods (source: Stripe docs, bank transfers)."""

from __future__ import annotations

from typing import Any

from sandbox.stripe_api.errors import StripeError

Body = dict[str, Any]
CURRENCIES = {
    "us_bank_transfer": "usd", "eu_bank_transfer": "eur", "gb_bank_transfer": "gbp", "jp_bank_transfer": "jpy",
    "mx_bank_transfer": "mxn",
}  # fmt: skip
"""The currency that goes with each kind of transfer."""
_OPTIONS = "payment_settings[payment_method_options][customer_balance]"


def check(settings: Any, currency: str) -> None:
    """Refuses `customer_balance` without a kind of transfer, and one that does not go with the currency."""
    settings = settings or {}
    if "customer_balance" not in (settings.get("payment_method_types") or ()):
        return
    options = (settings.get("payment_method_options") or {}).get("customer_balance") or {}
    if options.get("funding_type") != "bank_transfer":
        message = "`customer_balance` requires `funding_type` to be `bank_transfer`."
        raise StripeError(400, message, code="parameter_missing", param=f"{_OPTIONS}[funding_type]")
    transfer = options.get("bank_transfer") or {}
    kind = transfer.get("type")
    if kind not in CURRENCIES:
        message = "You must say which type of bank transfer is to be used."
        raise StripeError(400, message, code="parameter_missing", param=f"{_OPTIONS}[bank_transfer][type]")
    if CURRENCIES[kind] != currency:
        message = f"The bank transfer type `{kind}` cannot be used with the currency `{currency}`."
        raise StripeError(400, message, param=f"{_OPTIONS}[bank_transfer][type]")
    if kind == "eu_bank_transfer" and not (transfer.get("eu_bank_transfer") or {}).get("country"):
        name = f"{_OPTIONS}[bank_transfer][eu_bank_transfer][country]"
        raise StripeError(400, "A country is required for `eu_bank_transfer`.", code="parameter_missing", param=name)


def shown(options: Any) -> Body | None:
    """An invoice's options of payment methods, of which the sandbox keeps those of bank transfers alone."""
    kept = (options or {}).get("customer_balance")
    if not kept:
        return None
    others = dict.fromkeys((
        "acss_debit", "bancontact", "card", "konbini", "payto", "pix", "sepa_debit", "upi", "us_bank_account",
    ))  # fmt: skip
    return {**others, "customer_balance": {"bank_transfer": kept.get("bank_transfer"), "funding_type": "bank_transfer"}}
