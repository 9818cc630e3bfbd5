"""Stripe's checkout sessions: one visit of a payment link, or one that the API asked for."""

from __future__ import annotations

from typing import Any

from sandbox.identifiers import random_text
from sandbox.store import Document
from sandbox.stripe_api import currencies, customers, documents, line_items, lists, payment_links
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.events import emit
from sandbox.stripe_api.line_items import Basket
from sandbox.stripe_api.rules import (
    check_email,
    check_metadata,
    check_served,
    check_texts,
    check_url,
    differences,
    merged_metadata,
)

KIND = "checkout.session"
NOUN = "checkout.session"
MOST_ITEMS = 100
LIFE = 24 * 3600
SHORTEST = 30 * 60
Body = dict[str, Any]
_COPIED = (
    "after_completion", "allow_promotion_codes", "automatic_tax", "billing_address_collection", "consent_collection",
    "custom_fields", "custom_text", "phone_number_collection", "shipping_address_collection", "submit_type",
    "tax_id_collection", "payment_method_collection",
)  # fmt: skip
_SENT = (
    "cancel_url", "client_reference_id", "customer_email", "locale", "redirect_on_completion", "return_url",
    "success_url", "customer_creation", "allow_promotion_codes", "billing_address_collection", "submit_type",
    "payment_method_collection", "allowed_payment_method_types", "consent_collection",
)  # fmt: skip


def check(call: Call) -> None:
    """Refuses values that break a rule, before anything is executed."""
    params = call.params
    check_texts(params, {"client_reference_id": 200})
    check_served(params)
    check_metadata(params.get("metadata"))
    check_email(params.get("customer_email"), "customer_email")
    for name in ("success_url", "cancel_url", "return_url"):
        check_url(params.get(name), name)
    for name in ("payment_intent_data", "subscription_data"):
        check_metadata(params.get(name, {}).get("metadata"))


def check_create(call: Call) -> None:
    """Refuses a session that nobody could pay: no mode, no items, no way back, two customers, a wrong time."""
    check(call)
    params, mode = call.params, call.params.get("mode")
    if mode is None:
        raise _missing("mode")
    if mode == "setup":
        raise StripeError(400, "The sandbox has no `setup` mode.", param="mode")
    if not params.get("line_items"):
        raise _missing("line_items")
    line_items.check(params["line_items"], MOST_ITEMS)
    _check_way_back(params)
    if "customer" in params and "customer_email" in params:
        message = "You may only specify one of these parameters: customer, customer_email."
        raise StripeError(400, message, code="parameters_exclusive", param="customer")
    if "customer_creation" in params and (mode != "payment" or "customer" in params):
        message = "`customer_creation` can only be used in `payment` mode, and without `customer`."
        raise StripeError(400, message, param="customer_creation")
    for name, wanted in (("payment_intent_data", "payment"), ("subscription_data", "subscription")):
        if name in params and mode != wanted:
            raise StripeError(400, f"You can not pass `{name}` in `{mode}` mode.", param=name)
    now = int(call.world.clock.now())
    if not SHORTEST <= params.get("expires_at", now + LIFE) - now <= LIFE:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."
        raise StripeError(400, message, param="expires_at")


def _missing(name: str) -> StripeError:
    return StripeError(400, f"You must provide {name} here.", code="parameter_missing", param=name)


def _check_way_back(params: Body) -> None:
    hosted, never = (
        params.get("ui_mode", "hosted_page") == "hosted_page",
        params.get("redirect_on_completion") == "never",
    )
    wanted = "success_url" if hosted else "return_url"
    if not never and not params.get(wanted):
        raise _missing(wanted)
    for name in ("return_url", "redirect_on_completion") if hosted else ("success_url", "cancel_url"):
        if name in params:
            mode = params.get("ui_mode", "hosted_page")
            raise StripeError(400, f"You can not pass `{name}` when `ui_mode` is `{mode}`.", param=name)


def create(call: Call) -> Body:
    """POST /v1/checkout/sessions."""
    params = call.params
    if params.get("customer"):
        documents.named(call, customers.KIND, customers.KIND, params["customer"], "customer")
    basket = line_items.basket(call, params["line_items"], params.get("currency"))
    if basket.recurring and params["mode"] == "payment":
        message = (
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use "
            "only one-time prices."
        )
        raise StripeError(400, message, param="mode")
    if not basket.recurring and params["mode"] == "subscription":
        message = "You must provide at least one recurring price in `subscription` mode when using prices."
        raise StripeError(400, message, param="mode")
    what = "The Checkout Session's total amount due"
    currencies.check_charge(basket.total, basket.currency, what, "line_items")
    fields: Body = {name: params[name] for name in _SENT if name in params}
    fields |= {
        "metadata": merged_metadata({}, params.get("metadata")), "customer": params.get("customer"),
        "ui_mode": params.get("ui_mode", "hosted_page"),
    }  # fmt: skip
    if "expires_at" in params:
        fields["expires_at"] = params["expires_at"]
    intent, subscription = params.get("payment_intent_data", {}), params.get("subscription_data", {})
    return _opened(call, basket, fields, {"intent_data": intent, "subscription_data": subscription})


def visit(call: Call, link: Body, reference: str | None, email: str | None) -> Body:
    """Somebody opens a payment link: a session that copies what the link says, its metadata too."""
    hidden = documents.hidden(call, link["id"])
    basket = Basket(line_items.again(hidden["items"]), link["currency"], hidden["recurring"])
    fields = {name: link[name] for name in _COPIED if name != "after_completion"}
    fields |= {
        "client_reference_id": reference, "customer_email": email, "metadata": link["metadata"],
        "payment_link": link["id"], "success_url": _success_url(link), "ui_mode": "hosted_page", "customer": None,
        "customer_creation": None if hidden["recurring"] else link["customer_creation"],
        "invoice_creation": link["invoice_creation"], "automatic_tax": {**link["automatic_tax"], **_TAX},
    }  # fmt: skip
    data = {"intent_data": link["payment_intent_data"] or {}, "subscription_data": link["subscription_data"] or {}}
    return _opened(call, basket, fields, data)


def _success_url(link: Body) -> str | None:
    completion = link["after_completion"]
    return str(completion["redirect"]["url"]) if completion["type"] == "redirect" else "https://stripe.com"


_TAX: Body = {"provider": None, "status": None}


def _opened(call: Call, basket: Basket, fields: Body, data: Body) -> Body:
    mode, now = "live" if call.tenant.live else "test", int(call.world.clock.now())
    id = f"cs_{mode}_{random_text(58)}"
    hosted = fields["ui_mode"] == "hosted_page"
    body: Body = {
        "id": id, "object": KIND, "adaptive_pricing": None, "after_expiration": None, "allow_promotion_codes": None,
        "allowed_payment_method_types": None, "amount_subtotal": basket.total, "amount_total": basket.total,
        "automatic_tax": {"enabled": False, "liability": None, **_TAX}, "billing_address_collection": None,
        "cancel_url": None, "client_reference_id": None,
        "client_secret": None if hosted else f"{id}_secret_{random_text(30)}", "collected_information": None,
        "consent": None, "consent_collection": None, "created": now, "currency": basket.currency,
        "currency_conversion": None, "custom_fields": [],
        "custom_text": payment_links.no_text(), "customer": None, "customer_account": None,
        "customer_creation": None if basket.recurring or fields["customer"] else "if_required",
        "customer_details": None, "customer_email": None, "discounts": [], "expires_at": now + LIFE, "invoice": None,
        "invoice_creation": None if basket.recurring else payment_links.no_invoice(), "livemode": call.tenant.live,
        "locale": None, "metadata": {}, "mode": "subscription" if basket.recurring else "payment",
        "origin_context": None, "payment_intent": None, "payment_link": None, "payment_method_collection": "always",
        "payment_method_configuration_details": None, "payment_method_options": {}, "payment_method_types": ["card"],
        "payment_status": "unpaid", "permissions": None, "phone_number_collection": {"enabled": False},
        "recovered_from": None, "saved_payment_method_options": None, "setup_intent": None,
        "shipping_address_collection": None, "shipping_cost": None, "shipping_options": [], "status": "open",
        "submit_type": None, "subscription": None, "success_url": None,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "url": f"{call.base}pay/{call.tenant.id}/{mode}/{id}" if hosted else None, "wallet_options": None, **fields,
    }  # fmt: skip
    documents.hide(call, id, items=basket.items, **data)
    return documents.add(call, body, lookup=body["payment_link"])


def current(call: Call, id: str) -> Document:
    """A session as it is by now: one whose time is over has expired, and its event is sent."""
    found = documents.named(call, KIND, NOUN, id, "session")
    if found.body["status"] == "open" and found.body["expires_at"] <= call.world.clock.now():
        end(call, found)
        return documents.named(call, KIND, NOUN, id, "session")
    return found


def expire_due(call: Call) -> None:
    """Lets every session expire whose time is over."""
    due = "json_extract(body, '$.status')='open' AND json_extract(body, '$.expires_at')<=?"
    for found in call.world.store.select(call.scope, KIND, due, [call.world.clock.now()], "seq"):
        end(call, found)


def end(call: Call, old: Document) -> Body:
    """The session can no longer be paid: "checkout.session.expired"."""
    return keep(call, old, {**old.body, "status": "expired", "url": None}, "checkout.session.expired")


def keep(call: Call, old: Document, new: Body, event: str) -> Body:
    """The new state of a session, with the event that tells of it; such events name no earlier values."""
    if differences(old.body, new):
        documents.change(call, old, new)
        emit(call, event, new)
    return new


def retrieve(call: Call) -> Body:
    """GET /v1/checkout/sessions/{id}."""
    documents.present(call, KIND, NOUN)
    return current(call, call.id).body


def update(call: Call) -> Body:
    """POST /v1/checkout/sessions/{id}: its metadata, while it is open."""
    documents.present(call, KIND, NOUN)
    old = current(call, call.id)
    new = dict(old.body)
    if "metadata" in call.params:
        new["metadata"] = merged_metadata(old.body["metadata"], call.params["metadata"])
    return documents.change(call, old, new)


def expire(call: Call) -> Body:
    """POST /v1/checkout/sessions/{id}/expire, for an open one."""
    documents.present(call, KIND, NOUN)
    old = current(call, call.id)
    if old.body["status"] != "open":
        message = (
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"{old.body['status']}."
        )
        raise StripeError(400, message)
    return end(call, old)


def listed(call: Call) -> Body:
    """GET /v1/checkout/sessions, by payment link, customer, payment intent, subscription, status and e-mail."""
    expire_due(call)
    where, values = lists.created_range(call.params.get("created"))
    for name in ("payment_link", "customer", "payment_intent", "subscription", "status"):
        if call.params.get(name):
            where.append(f"json_extract(body, '$.{name}')=?")
            values.append(call.params[name])
    if call.params.get("customer_details"):
        where.append("json_extract(body, '$.customer_details.email')=?")
        values.append(call.params["customer_details"]["email"])
    return documents.page(call, KIND, NOUN, "/v1/checkout/sessions", where, values)


def listed_items(call: Call) -> Body:
    """GET /v1/checkout/sessions/{id}/line_items."""
    session = documents.present(call, KIND, NOUN).body
    return lists.sliced(call, line_items.of(call, session), "line item", f"/v1/checkout/sessions/{call.id}/line_items")
