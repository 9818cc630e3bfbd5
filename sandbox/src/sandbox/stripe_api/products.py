"""Stripe's products."""

from __future__ import annotations

import re
from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.stripe_api import documents, lists, prices
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.rules import check_metadata, check_texts, merged_metadata

KIND = "product"
LONGEST = {"statement_descriptor": 22, "unit_label": 12}
_ID = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_TEXTS = ("description", "statement_descriptor", "tax_code", "unit_label", "url")
_MOST = {"images": 8, "marketing_features": 15}
Body = dict[str, Any]


def check(call: Call) -> None:
    """Refuses values that break a rule, before anything is executed."""
    params = call.params
    check_texts(params, LONGEST)
    check_metadata(params.get("metadata"))
    for name, most in _MOST.items():
        if len(params.get(name) or []) > most:
            raise StripeError(400, f"You may only specify up to {most} {name}.", param=name)
    if "id" in params and not _ID.fullmatch(params["id"]):
        raise StripeError(400, f"Invalid product id: {params['id']}", param="id")


def create(call: Call) -> Body:
    """POST /v1/products, with an id of the caller's own if one is given; a taken one is refused, deleted or not."""
    id = call.params.get("id") or stripe_id("prod")
    if call.world.store.get(call.scope, KIND, id):
        raise StripeError(400, "Product already exists.", code="resource_already_exists", param="id")
    now = int(call.world.clock.now())
    body: Body = {
        "id": id, "object": KIND, "active": True, "created": now, "default_price": None,
        "description": None, "images": [], "livemode": call.tenant.live, "marketing_features": [], "metadata": {},
        "name": "", "package_dimensions": None, "shippable": None, "statement_descriptor": None, "tax_code": None,
        "type": "service", "unit_label": None, "updated": now, "url": None,
    }  # fmt: skip
    body = documents.add(call, _applied(body, call.params), event="product.created")
    if "default_price_data" in call.params:
        data = {**call.params["default_price_data"], "product": id}
        prices.check(call.having(data))
        price = prices.create(call.having(data))
        made = documents.named(call, KIND, KIND, id, "id")
        body = documents.change(call, made, {**made.body, "default_price": price["id"]}, event="product.updated")
    return body


def inline(call: Call, data: Body) -> Body:
    """The product that comes with a price inside another request; the list does not show it."""
    made = create(call.having(data))
    found = documents.named(call, KIND, KIND, made["id"], "product_data")
    return documents.change(call, found, {**found.body, "active": False})


def update(call: Call) -> Body:
    """POST /v1/products/{id}; an update that changes nothing makes no event."""
    old = documents.present(call, KIND, KIND)
    new = _applied(old.body, call.params)
    if call.params.get("default_price"):
        _check_default(call, call.params["default_price"])
    if new != old.body:
        new["updated"] = int(call.world.clock.now())
    return documents.change(call, old, new, event="product.updated")


def _check_default(call: Call, id: str) -> None:
    price = documents.named(call, prices.KIND, prices.KIND, id, "default_price").body
    if price["product"] != call.id:
        message = f"The price `{id}` does not belong to the product `{call.id}`."
        raise StripeError(400, message, param="default_price")
    if not price["active"]:
        raise StripeError(400, "The default price must be active.", param="default_price")


def retrieve(call: Call) -> Body:
    """GET /v1/products/{id}."""
    return documents.present(call, KIND, KIND).body


def delete(call: Call) -> Body:
    """DELETE /v1/products/{id}; refused while the product has a price."""
    old = documents.present(call, KIND, KIND)
    if call.world.store.count(call.scope, prices.KIND, "json_extract(body, '$.product')=?", call.id):
        raise StripeError(400, "This product cannot be deleted because it has one or more user-created prices.")
    return documents.remove(call, old, event="product.deleted")


def listed(call: Call) -> Body:
    """GET /v1/products, by active, created, ids, shippable and url."""
    where, values = lists.created_range(call.params.get("created"))
    for name in ("active", "shippable"):
        if name in call.params:
            where.append(f"json_extract(body, '$.{name}')=?")
            values.append(call.params[name])
    for name in ("url", "type"):
        if call.params.get(name):
            where.append(f"json_extract(body, '$.{name}')=?")
            values.append(call.params[name])
    if "ids" in call.params:
        where.append(f"id IN ({','.join('?' * len(call.params['ids']))})")
        values += call.params["ids"]
    return documents.page(call, KIND, KIND, "/v1/products", where, values)


def _applied(old: Body, params: Body) -> Body:
    new = dict(old)
    for name in ("name", "active", "shippable", "type"):
        if name in params:
            new[name] = params[name]
    for name in _TEXTS:
        if name in params:
            new[name] = params[name] or None
    for name in ("default_price", "package_dimensions"):
        if name in params:
            new[name] = _plain(params[name]) or None
    for name in ("images", "marketing_features"):
        if name in params:
            new[name] = params[name] or []
    if "metadata" in params:
        new["metadata"] = merged_metadata(old["metadata"], params["metadata"])
    return new


def _plain(value: Any) -> Any:
    """Numbers as JSON has them."""
    return {name: float(number) for name, number in value.items()} if isinstance(value, dict) else value
