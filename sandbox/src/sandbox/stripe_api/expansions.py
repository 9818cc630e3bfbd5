"""expand[]: which fields can be expanded, and what they then show (source: Stripe docs, expanding responses)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.stripe_api import documents, invoice_payments, line_items
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError

DEEPEST = 4
Body = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """A field that can be expanded: the type of what stands there, and for one that is left out how it is shown.

    Without `show` the field holds an id or null; of a type that the sandbox does not have it stays null.
    """

    type: str = ""
    show: Callable[[Call, Body], Any] | None = None


def _hidden(name: str) -> Callable[[Call, Body], Any]:
    return lambda call, body: documents.hidden(call, body["id"]).get(name)


def _cash_balance(call: Call, customer: Body) -> Any:
    mode = documents.hidden(call, customer["id"]).get("cash_balance", {}).get("reconciliation_mode", "automatic")
    return {
        "object": "cash_balance", "available": None, "customer": customer["id"], "livemode": customer["livemode"],
        "settings": {"reconciliation_mode": mode, "using_merchant_default": True},
    }  # fmt: skip


def _tax(call: Call, customer: Body) -> Any:
    address = documents.hidden(call, customer["id"]).get("tax", {}).get("ip_address") or None
    return {"automatic_tax": "unrecognized_location", "ip_address": address, "location": None, "provider": "stripe"}


def _list_of(name: str) -> Callable[[Call, Body], Any]:
    def show(call: Call, customer: Body) -> Any:
        data = documents.hidden(call, customer["id"]).get(name, [])
        return {"object": "list", "data": data, "has_more": False, "url": f"/v1/customers/{customer['id']}/{name}"}

    return show


FIELDS: dict[str, dict[str, Field]] = {
    "customer": {
        "cash_balance": Field(show=_cash_balance), "invoice_credit_balance": Field(show=lambda call, customer: {}),
        "sources": Field(show=_list_of("sources")), "subscriptions": Field(show=_list_of("subscriptions")),
        "tax": Field(show=_tax), "tax_ids": Field(show=_list_of("tax_ids")), "default_source": Field(),
        "discount": Field(), "invoice_settings.default_payment_method": Field("payment_method"), "test_clock": Field(),
    },
    "billing.meter": {},
    "product": {"default_price": Field("price"), "tax_code": Field()},
    "price": {
        "product": Field("product"), "tiers": Field(show=_hidden("tiers")),
        "currency_options": Field(show=_hidden("currency_options")),
    },
    "item": {"price": Field("price")},
    "payment_link": {"line_items": Field("list:item", line_items.embedded), "on_behalf_of": Field()},
    "checkout.session": {
        "line_items": Field("list:item", line_items.embedded), "customer": Field("customer"),
        "payment_intent": Field("payment_intent"), "payment_link": Field("payment_link"), "setup_intent": Field(),
        "subscription": Field("subscription"), "invoice": Field("invoice"),
    },
    "payment_method": {"customer": Field("customer")},
    "payment_intent": {
        "latest_charge": Field("charge"), "customer": Field("customer"), "payment_method": Field(), "review": Field(),
    },
    "charge": {
        "payment_intent": Field("payment_intent"), "customer": Field("customer"), "balance_transaction": Field(),
    },
    "subscription": {
        "customer": Field("customer"), "latest_invoice": Field("invoice"), "default_payment_method": Field(),
        "items": Field("list:subscription_item"),
    },
    "invoice": {
        "payments": Field("list:invoice_payment", invoice_payments.embedded), "customer": Field("customer"),
        "amount_paid_off_stripe": Field(show=invoice_payments.off_stripe), "lines": Field("list:line_item"),
        "latest_revision": Field(), "default_payment_method": Field(), "discounts": Field(),
    },
    "line_item": {"discounts": Field(), "subscription": Field("subscription")},
    "invoiceitem": {"customer": Field("customer"), "invoice": Field("invoice"), "discounts": Field()},
    "invoice_payment": {
        "invoice": Field("invoice"), "payment.payment_intent": Field("payment_intent"),
    },
    "credit_note": {
        "invoice": Field("invoice"), "customer": Field("customer"),
        "customer_balance_transaction": Field("customer_balance_transaction"),
    },
    "dispute": {"charge": Field("charge"), "payment_intent": Field("payment_intent")},
    "refund": {"charge": Field("charge"), "payment_intent": Field("payment_intent"), "balance_transaction": Field()},
    "customer_balance_transaction": {
        "invoice": Field("invoice"), "credit_note": Field("credit_note"), "customer": Field("customer"),
    },
    "subscription_item": {"price": Field("price")},
}  # fmt: skip
"""What can be expanded, by the type of the object that has it."""


def check(call: Call, answers: str) -> None:
    """Refuses what cannot be expanded in this answer."""
    for index, name in enumerate(call.params.get("expand", [])):
        parts = name.split(".")
        if len(parts) > DEEPEST + answers.startswith("list:"):
            message = f"You cannot expand more than {DEEPEST} levels of a property. Property: {name}"
            raise StripeError(400, message, param=f"expand[{index}]")
        if not _reachable(answers, parts):
            raise StripeError(400, f"This property cannot be expanded ({name}).", param=f"expand[{index}]")


def _reachable(type: str, parts: list[str]) -> bool:
    if type.startswith("list:"):
        return parts[0] == "data" and (len(parts) == 1 or _reachable(type.removeprefix("list:"), parts[1:]))
    found = _first(type, parts)
    return found is not None and (not found[2] or _reachable(found[1].type, found[2]))


def _first(type: str, parts: list[str]) -> tuple[str, Field, list[str]] | None:
    """The field with which a path begins, and the rest of the path; a field's own name may hold a dot."""
    fields = FIELDS.get(type, {})
    for length in (1, 2):
        name = ".".join(parts[:length])
        if name in fields and len(parts) >= length:
            return name, fields[name], parts[length:]
    return None


def expanded(call: Call, answers: str, body: Body) -> Body:
    """The body with the asked-for fields of its object, or of each object of its list."""
    for name in call.params.get("expand", []):
        body = _with(call, answers, body, name.split("."))
    return body


def _with(call: Call, type: str, body: Any, parts: list[str]) -> Any:
    if not isinstance(body, dict) or body.get("deleted"):
        return body
    if type.startswith("list:"):
        inner = type.removeprefix("list:")
        items = [_with(call, inner, item, parts[1:]) for item in body["data"]] if parts[1:] else body["data"]
        return {**body, "data": items}
    found = _first(type, parts)
    if found is None:
        return body
    name, field, rest = found
    outer, _, key = name.rpartition(".")
    holder = body[outer] if outer else body
    value = holder.get(key)
    if field.show:
        value = field.show(call, body) if value is None else value
        if value is None:
            # A price without tiers has no such field, asked for or not.
            return body
    elif isinstance(value, str) and field.type:
        value = documents.shown_by_id(call, field.type, value)
    value = _with(call, field.type, value, rest) if rest else value
    return {**body, outer: {**holder, key: value}} if outer else {**body, key: value}
