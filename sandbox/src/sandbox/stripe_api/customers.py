"""Stripe's customers."""

from __future__ import annotations

from typing import Any

from sandbox.identifiers import random_text, stripe_id
from sandbox.stripe_api import balances, documents, lists, payment_methods
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError, missing_object
from sandbox.stripe_api.events import emit
from sandbox.stripe_api.rules import (
    check_email,
    check_invoice_prefix,
    check_metadata,
    check_texts,
    differences,
    merged_metadata,
)

KIND = "customer"
LONGEST = {
    "name": 256, "email": 512, "phone": 20, "business_name": 150, "individual_name": 150,
    "invoice_settings[custom_fields][0][name]": 40, "invoice_settings[custom_fields][0][value]": 140,
}  # fmt: skip
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
_TEXTS = ("name", "email", "phone", "description")
_NAMES = ("business_name", "individual_name")
# Objects of other resources that a customer may name; the sandbox has none, so every id is missing, as with Stripe.
_FOREIGN = {
    "payment_method": "PaymentMethod",
    "source": "token",
    "default_source": "source",
    "test_clock": "test clock",
}


def check(call: Call) -> None:
    """Refuses values that break a rule, before anything is executed."""
    params = call.params
    check_texts(params, LONGEST)
    check_metadata(params.get("metadata"))
    check_email(params.get("email"))
    check_invoice_prefix(params.get("invoice_prefix"))
    fields = params.get("invoice_settings", {}).get("custom_fields") or []
    if len(fields) > 4:
        raise StripeError(400, "You may only specify up to 4 custom fields.", param="invoice_settings[custom_fields]")


def create(call: Call) -> dict[str, Any]:
    """POST /v1/customers."""
    new: dict[str, Any] = {
        "id": stripe_id("cus"), "object": "customer", "address": None, "balance": 0,
        "created": int(call.world.clock.now()), "currency": None, "customer_account": None, "default_source": None,
        "delinquent": False, "description": None, "discount": None, "email": None,
        "invoice_prefix": random_text(8).upper(),
        "invoice_settings": {
            "custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None,
        },
        "livemode": call.tenant.live, "metadata": {}, "name": None, "next_invoice_sequence": 1, "phone": None,
        "preferred_locales": [], "shipping": None, "tax_exempt": "none", "test_clock": None,
    }  # fmt: skip
    new = _applied(call, new, call.params)
    _keep_hidden(call, new["id"], call.params)
    call.world.store.insert(
        call.scope,
        KIND,
        new,
        id=new["id"],
        created=new["created"],
        changed=call.world.clock.micros(),
        lookup=new["email"],
    )
    emit(call, "customer.created", new)
    _tell_balance(call, 0, new)
    return new


def update(call: Call) -> dict[str, Any]:
    """POST /v1/customers/{id}; an update that changes nothing makes no event."""
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None or found.deleted:
        raise missing_object(KIND, call.id)
    new = _applied(call, found.body, call.params)
    _keep_hidden(call, call.id, call.params)
    if new != found.body:
        call.world.store.replace(call.scope, KIND, call.id, new, call.world.clock.micros(), lookup=new["email"])
        emit(call, "customer.updated", new, differences(found.body, new))
    _tell_balance(call, found.body["balance"], new)
    return new


def _tell_balance(call: Call, before: int, customer: dict[str, Any]) -> None:
    """A balance that was set is a transaction too."""
    if customer["balance"] != before:
        kind = "initial" if before == 0 and not call.id else "adjustment"
        balances.record(call, customer, customer["balance"] - before, kind)


def retrieve(call: Call) -> dict[str, Any]:
    """GET /v1/customers/{id}; a deleted one answers as a stub."""
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None:
        raise missing_object(KIND, call.id)
    return _stub(call.id) if found.deleted else found.body


def delete(call: Call) -> dict[str, Any]:
    """DELETE /v1/customers/{id}; the event carries the object as it last was."""
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None or found.deleted:
        raise missing_object(KIND, call.id)
    call.world.store.replace(
        call.scope, KIND, call.id, found.body, call.world.clock.micros(), lookup=found.lookup, deleted=True
    )
    emit(call, "customer.deleted", found.body)
    return _stub(call.id)


def listed(call: Call) -> dict[str, Any]:
    """GET /v1/customers: newest first, without deleted ones, by e-mail (case sensitive) and created time."""
    where, values = lists.created_range(call.params.get("created"))
    if call.params.get("email"):
        where.append("lookup=?")
        values.append(call.params["email"])
    if call.params.get("test_clock"):
        raise missing_object("test clock", call.params["test_clock"], param="test_clock", status=400)
    documents, more = lists.page(call, KIND, KIND, where, values)
    return lists.envelope("/v1/customers", [document.body for document in documents], more)


def _stub(id: str) -> dict[str, Any]:
    return {"id": id, "object": "customer", "deleted": True}


def _applied(call: Call, old: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    for name, noun in _FOREIGN.items():
        if params.get(name):
            raise missing_object(noun, params[name], param=name, status=400)
    new = dict(old)
    for name in _TEXTS:
        if name in params:
            new[name] = params[name] or None
    for name in _NAMES:
        if params.get(name):
            new[name] = params[name]
        elif name in params:
            new.pop(name, None)
    for name in ("balance", "next_invoice_sequence", "preferred_locales"):
        if name in params:
            new[name] = params[name]
    if params.get("invoice_prefix"):
        new["invoice_prefix"] = params["invoice_prefix"]
    if "tax_exempt" in params:
        new["tax_exempt"] = params["tax_exempt"] or "none"
    if "metadata" in params:
        new["metadata"] = merged_metadata(old["metadata"], params["metadata"])
    return _hashes_applied(call, new, params)


def _hashes_applied(call: Call, new: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    if "address" in params:
        new["address"] = _address(new["address"], params["address"])
    if "shipping" in params:
        new["shipping"] = _shipping(params["shipping"])
    if "invoice_settings" in params:
        given = {name: value or None for name, value in params["invoice_settings"].items()}
        method = given.get("default_payment_method")
        if method:
            payment_methods.check_usable(call, method, new["id"], "invoice_settings[default_payment_method]")
        new["invoice_settings"] = {**new["invoice_settings"], **given}
    return new


def _address(old: dict[str, Any] | None, given: Any) -> dict[str, Any] | None:
    if not given:
        return None
    # Keys that are not sent keep their value, as in every hash parameter of the v1 API; '' unsets one.
    merged = {**dict.fromkeys(ADDRESS), **(old or {}), **{key: value or None for key, value in given.items()}}
    return merged if any(value is not None for value in merged.values()) else None


def _shipping(given: Any) -> dict[str, Any] | None:
    if not given:
        return None
    # Stripe requires name and address each time, so a new shipping replaces the old one whole.
    address = {**dict.fromkeys(ADDRESS), **{key: value or None for key, value in given["address"].items()}}
    return {"address": address, "name": given["name"], "phone": given.get("phone") or None}


def _keep_hidden(call: Call, id: str, params: dict[str, Any]) -> None:
    """Keeps what only `expand` shows: tax ids, tax details, cash balance settings."""
    if not {"tax", "tax_id_data", "cash_balance"} & set(params):
        return
    hidden = {"tax": {}, "tax_ids": [], "cash_balance": {}, **documents.hidden(call, id)}
    hidden["tax"] |= params.get("tax", {})
    hidden["cash_balance"] |= params.get("cash_balance", {}).get("settings", {})
    for datum in params.get("tax_id_data", []):
        hidden["tax_ids"].append({
            "id": stripe_id("txi"), "object": "tax_id", "country": datum["type"][:2].upper(),
            "created": int(call.world.clock.now()), "customer": id, "livemode": call.tenant.live,
            "owner": {"type": "customer", "customer": id}, "type": datum["type"], "value": datum["value"],
            "verification": {"status": "unavailable", "verified_address": None, "verified_name": None},
        })  # fmt: skip
    documents.hide(call, id, **hidden)
