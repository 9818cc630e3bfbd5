"""expand[]: which fields can be expanded, and what they then show (source: Stripe docs, expanding responses)."""

from __future__ import annotations

from typing import Any

from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError

# Fields that are left out of a customer unless asked for.
_INCLUDABLE = ("cash_balance", "invoice_credit_balance", "sources", "subscriptions", "tax", "tax_ids")
# Fields that hold an id or null; the sandbox has no such objects, so they stay null.
_REFERENCES = ("default_source", "discount", "invoice_settings.default_payment_method", "test_clock")
EXPANDABLE = {"customers": frozenset((*_INCLUDABLE, *_REFERENCES))}


def check(call: Call, resource: str, *, is_list: bool) -> None:
    """Refuses what cannot be expanded on this resource."""
    allowed = EXPANDABLE.get(resource, frozenset())
    for index, name in enumerate(call.params.get("expand", [])):
        field = name.removeprefix("data.") if is_list else name
        if field in allowed and (not is_list or name.startswith("data.")) or (is_list and name == "data"):
            continue
        raise StripeError(400, f"This property cannot be expanded ({name}).", param=f"expand[{index}]")


def expanded(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """The body with the asked-for fields of its object, or of each object of its list."""
    fields = [name.removeprefix("data.") for name in call.params.get("expand", [])]
    fields = [name for name in fields if name in _INCLUDABLE]
    if not fields or body.get("deleted"):
        return body
    if body.get("object") == "list":
        return {**body, "data": [_with(call, item, fields) for item in body["data"]]}
    return _with(call, body, fields)


def _with(call: Call, customer: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    hidden = call.world.store.fact(f"hidden:{call.scope}:{customer['id']}") or {}
    return {**customer, **{name: _field(name, customer, hidden) for name in fields}}


def _field(name: str, customer: dict[str, Any], hidden: dict[str, Any]) -> Any:
    if name == "cash_balance":
        mode = hidden.get("cash_balance", {}).get("reconciliation_mode", "automatic")
        return {
            "object": "cash_balance", "available": None, "customer": customer["id"], "livemode": customer["livemode"],
            "settings": {"reconciliation_mode": mode, "using_merchant_default": True},
        }  # fmt: skip
    if name == "tax":
        address = hidden.get("tax", {}).get("ip_address") or None
        return {"automatic_tax": "unrecognized_location", "ip_address": address, "location": None, "provider": "stripe"}
    if name == "invoice_credit_balance":
        return {}
    data = hidden.get("tax_ids", []) if name == "tax_ids" else []
    return {"object": "list", "data": data, "has_more": False, "url": f"/v1/customers/{customer['id']}/{name}"}
