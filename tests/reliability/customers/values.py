"""The fields of a pair as each vendor holds them, read from their own bodies; empty for none. Pure."""

from __future__ import annotations

from typing import Any

from tests.reliability.customers.units import VATN, Value

PARTS = {
    "line1": "line1", "line2": "line2", "city": "city", "state": "state", "postal_code": "postalCode",
    "country": "country",
}  # fmt: skip
"""Parts of an address: Stripe's name, Togai's name."""


def shown_by_stripe(customer: dict[str, Any]) -> dict[str, Value]:
    """A customer's fields."""
    address = customer.get("address") or {}
    found: dict[str, Value] = {name: customer.get(name) or "" for name in ("name", "email", "phone")}
    found["address"] = {part: address[part] for part in PARTS if address.get(part)}
    found[VATN] = customer["metadata"].get("VATN", "")
    return found | {"address": found["address"] or ""}


def shown_by_togai(account: dict[str, Any], customer: dict[str, Any]) -> dict[str, Value]:
    """An account's fields: its own, else its customer's; the name is always the customer's."""
    own, above = account.get("address") or {}, customer.get("address") or {}
    return {
        "name": customer["name"],
        "email": account.get("primaryEmail") or customer.get("primaryEmail") or "",
        "phone": own.get("phoneNumber") or above.get("phoneNumber") or "",
        "address": _address(own) or _address(above) or "",
        VATN: (account.get("metadata") or {}).get("VATN", ""),
    }


def _address(given: dict[str, Any]) -> dict[str, str]:
    return {part: given[name] for part, name in PARTS.items() if given.get(name)}
