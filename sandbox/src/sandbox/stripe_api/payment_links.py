"""Stripe's payment links: pages that sell to whoever visits them."""

from __future__ import annotations

from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.stripe_api import currencies, documents, line_items, lists
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError, missing_object
from sandbox.stripe_api.rules import check_metadata, check_served, check_texts, check_url, merged_metadata

KIND = "payment_link"
NOUN = "payment link"
MOST_ITEMS = 20
Body = dict[str, Any]
_PLAIN = (
    "allow_promotion_codes", "billing_address_collection", "customer_creation", "payment_method_collection",
    "submit_type", "active",
)  # fmt: skip
_MAY_BE_NULL = ("inactive_message", "payment_method_types", "shipping_address_collection")
_PAYMENT_ONLY = ("customer_creation", "invoice_creation", "payment_intent_data")
_INVOICE_DATA = ("account_tax_ids", "custom_fields", "description", "footer", "issuer", "metadata", "rendering_options")
_INTENT_DATA = (
    "capture_method", "description", "setup_future_usage", "statement_descriptor", "statement_descriptor_suffix",
    "transfer_group",
)  # fmt: skip


def check(call: Call) -> None:
    """Refuses values that break a rule, before anything is executed."""
    params = call.params
    check_texts(params, {"inactive_message": 500})
    check_served(params)
    check_metadata(params.get("metadata"))
    for name in ("payment_intent_data", "subscription_data"):
        check_metadata((params.get(name) or {}).get("metadata"))
    completion = params.get("after_completion", {})
    if completion.get("type") == "redirect" and not completion.get("redirect", {}).get("url"):
        name = "after_completion[redirect]"
        raise StripeError(400, f"{name} must be given when after_completion[type] is redirect.", param=name)
    check_url(completion.get("redirect", {}).get("url"), "after_completion[redirect][url]")
    limit = ((params.get("restrictions") or {}).get("completed_sessions") or {}).get("limit", 1)
    if limit < 1:
        name = "restrictions[completed_sessions][limit]"
        message = "This value must be greater than or equal to 1."
        raise StripeError(400, message, code="parameter_invalid_integer", param=name)
    for name, noun in (
        ("on_behalf_of", "account"),
        ("transfer_data", "account"),
        ("shipping_options", "shipping rate"),
    ):
        if params.get(name):
            raise missing_object(noun, str(params[name]), param=name, status=400)


def check_create(call: Call) -> None:
    """Refuses what `check` does, and bad line items."""
    check(call)
    line_items.check(call.params["line_items"], MOST_ITEMS)


def create(call: Call) -> Body:
    """POST /v1/payment_links."""
    params = call.params
    basket = line_items.basket(call, params["line_items"], params.get("currency"))
    _check_mode(params, basket.recurring)
    currencies.check_charge(basket.total, basket.currency, "The Payment Link's total amount due", "line_items")
    id = stripe_id("plink")
    mode = "live" if call.tenant.live else "test"
    body: Body = {
        "id": id, "object": KIND, "active": True,
        "after_completion": {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": None}},
        "allow_promotion_codes": False, "application": None, "application_fee_amount": None,
        "application_fee_percent": None, "automatic_tax": {"enabled": False, "liability": None},
        "billing_address_collection": "auto", "consent_collection": None, "currency": basket.currency,
        "custom_fields": [], "custom_text": _custom_text({}, {}),
        "customer_creation": "always" if basket.recurring else "if_required", "inactive_message": None,
        "invoice_creation": None if basket.recurring else _invoice_creation({"enabled": False}),
        "livemode": call.tenant.live, "metadata": {}, "on_behalf_of": None, "payment_intent_data": None,
        "payment_method_collection": "always", "payment_method_types": None,
        "phone_number_collection": {"enabled": False}, "restrictions": None, "shipping_address_collection": None,
        "shipping_options": [], "submit_type": "auto", "subscription_data": _subscription_data({}, {}) if
        basket.recurring else None, "tax_id_collection": {"enabled": False, "required": "never"},
        "transfer_data": None, "url": f"{call.base}pay/{call.tenant.id}/{mode}/{id}",
    }  # fmt: skip
    documents.hide(call, id, items=basket.items, recurring=basket.recurring)
    return documents.add(call, _applied(body, params), event="payment_link.created")


def _check_mode(params: Body, recurring: bool) -> None:
    for name in _PAYMENT_ONLY if recurring else ("subscription_data",):
        if params.get(name):
            mode, other = ("subscription", "payment") if recurring else ("payment", "subscription")
            message = f"You can only use `{name}` in `{other}` mode, and this payment link is in `{mode}` mode."
            raise StripeError(400, message, param=name)


def update(call: Call) -> Body:
    """POST /v1/payment_links/{id}; an update that changes nothing makes no event."""
    old = documents.present(call, KIND, NOUN)
    hidden = documents.hidden(call, call.id)
    _check_mode(call.params, hidden["recurring"])
    items = _changed_items(call, hidden["items"], old.body["currency"])
    new = _applied(old.body, call.params)
    documents.hide(call, call.id, items=items)
    return documents.change(call, old, new, event="payment_link.updated")


def _changed_items(call: Call, items: list[Body], code: str) -> list[Body]:
    """Of the line items quantities can change, by the item's id."""
    changes = {change["id"]: change for change in call.params.get("line_items", [])}
    unknown = set(changes) - {item["id"] for item in items}
    if unknown:
        raise missing_object("line item", min(unknown), param="line_items", status=400)
    result = []
    for item in items:
        change = changes.get(item["id"], {})
        new = line_items.with_quantity(call, item, change["quantity"], code) if "quantity" in change else dict(item)
        if "adjustable_quantity" in change:
            new["adjustable_quantity"] = line_items.adjustable(change["adjustable_quantity"])
        result.append(new)
    return result


def retrieve(call: Call) -> Body:
    """GET /v1/payment_links/{id}."""
    return documents.present(call, KIND, NOUN).body


def listed(call: Call) -> Body:
    """GET /v1/payment_links, by active."""
    where, values = [], []
    if "active" in call.params:
        where.append("json_extract(body, '$.active')=?")
        values.append(call.params["active"])
    return documents.page(call, KIND, NOUN, "/v1/payment_links", where, values)


def listed_items(call: Call) -> Body:
    """GET /v1/payment_links/{id}/line_items."""
    link = documents.present(call, KIND, NOUN).body
    url = f"/v1/payment_links/{call.id}/line_items"
    return lists.sliced(call, line_items.of(call, link), "line item", url)


def count_completed(call: Call, id: str) -> None:
    """Counts a completed session; a link that has reached its limit is closed, as Stripe closes it."""
    old = call.world.store.get(call.scope, KIND, id)
    if old is None or not old.body["restrictions"]:
        return
    limits = old.body["restrictions"]["completed_sessions"]
    counted = {**limits, "count": limits["count"] + 1}
    new = {**old.body, "restrictions": {"completed_sessions": counted}}
    if counted["count"] >= counted["limit"]:
        new["active"] = False
    documents.change(call, old, new, event="payment_link.updated")


def _applied(old: Body, params: Body) -> Body:
    new = dict(old)
    for name in _PLAIN:
        if name in params:
            new[name] = params[name]
    for name in _MAY_BE_NULL:
        if name in params:
            new[name] = params[name] or None
    if "metadata" in params:
        new["metadata"] = merged_metadata(old["metadata"], params["metadata"])
    if "after_completion" in params:
        new["after_completion"] = _after_completion(params["after_completion"])
    if "restrictions" in params:
        new["restrictions"] = _restrictions(old["restrictions"], params["restrictions"])
    for name in ("phone_number_collection", "automatic_tax", "consent_collection", "tax_id_collection"):
        if name in params:
            new[name] = {**(old[name] or {}), **params[name]}
    for name, merge in (("custom_text", _custom_text), ("subscription_data", _subscription_data)):
        if name in params:
            new[name] = merge(old[name] or {}, params[name] or {})
    if "custom_fields" in params:
        new["custom_fields"] = [_custom_field(field) for field in params["custom_fields"] or []]
    if "invoice_creation" in params:
        new["invoice_creation"] = _invoice_creation(params["invoice_creation"])
    if "payment_intent_data" in params:
        new["payment_intent_data"] = _intent_data(old["payment_intent_data"] or {}, params["payment_intent_data"])
    return new


def _after_completion(given: Body) -> Body:
    if given["type"] == "redirect":
        return {"type": "redirect", "redirect": {"url": given["redirect"]["url"]}}
    message = given.get("hosted_confirmation", {}).get("custom_message") or None
    return {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": message}}


def _restrictions(old: Body | None, given: Any) -> Body | None:
    if not given:
        return None
    count = old["completed_sessions"]["count"] if old else 0
    return {"completed_sessions": {"count": count, "limit": given["completed_sessions"]["limit"]}}


def _custom_text(old: Body, given: Body) -> Body:
    names = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
    return {name: (given[name] or None) if name in given else old.get(name) for name in names}


def _custom_field(given: Body) -> Body:
    """A field of the page, with what goes with its own type."""
    kind = given["type"]
    if kind == "dropdown":
        inner: Body = {"default_value": None, "options": [], **given.get("dropdown", {})}
    else:
        inner = {"maximum_length": None, "minimum_length": None, **given.get(kind, {})}
    label = {"type": "custom", "custom": given["label"]["custom"]}
    return {"key": given["key"], "label": label, "optional": given.get("optional", False), "type": kind, kind: inner}


def _invoice_creation(given: Body) -> Body:
    data = given.get("invoice_data", {})
    kept = {name: data.get(name) or None for name in _INVOICE_DATA}
    return {"enabled": given["enabled"], "invoice_data": {**kept, "metadata": data.get("metadata") or {}}}


def _intent_data(old: Body, given: Any) -> Body | None:
    if not given:
        return None
    kept = {name: given[name] or None if name in given else old.get(name) for name in _INTENT_DATA}
    return {**kept, "metadata": merged_metadata(old.get("metadata", {}), given.get("metadata"))}


def _subscription_data(old: Body, given: Body) -> Body:
    kept = {
        name: given.get(name) or None if name in given else old.get(name)
        for name in ("description", "trial_period_days", "trial_settings")
    }
    settings = {"issuer": {"type": "self"}, **old.get("invoice_settings", {}), **(given.get("invoice_settings") or {})}
    metadata = merged_metadata(old.get("metadata", {}), given.get("metadata"))
    return {**kept, "invoice_settings": settings, "metadata": metadata}


def no_text() -> Body:
    """The texts of a page that has none of its own."""
    return _custom_text({}, {})


def no_invoice() -> Body:
    """What stands where no invoice is wanted for a payment."""
    return _invoice_creation({"enabled": False})
