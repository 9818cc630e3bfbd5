"""The Stripe account that a key belongs to."""

from __future__ import annotations

from typing import Any

from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import no_account_access


def retrieve(call: Call) -> dict[str, Any]:
    """GET /v1/account, and /v1/accounts/{id} for the own id."""
    if call.id and call.id != call.tenant.id:
        raise no_account_access("sk_" + ("live" if call.tenant.live else "test"), call.id)
    name = call.tenant.body.get("name", "Sandbox")
    return {
        "id": call.tenant.id, "object": "account", "business_profile": {"name": name, "url": None},
        "business_type": None, "capabilities": {}, "charges_enabled": True, "country": "US", "created": 1_700_000_000,
        "default_currency": "usd", "details_submitted": True, "email": "owner@example.com", "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_payments": {
                "statement_descriptor_prefix": None, "statement_descriptor_prefix_kana": None,
                "statement_descriptor_prefix_kanji": None,
            },
            "dashboard": {"display_name": name, "timezone": "Etc/UTC"},
            "payments": {
                "statement_descriptor": None, "statement_descriptor_kana": None, "statement_descriptor_kanji": None,
            },
        },
        "type": "standard",
    }  # fmt: skip
