"""Stripe's prices: what they cost never changes, so a new cost is a new price."""

from __future__ import annotations

from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.stripe_api import amounts, documents, lists, meters, products
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.currencies import currency
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.rules import check_metadata, check_texts, merged_metadata

KIND = "price"
MOST_LOOKUP_KEYS = 10
_LONGEST_PERIOD = {"day": 1095, "week": 156, "month": 36, "year": 3}
Body = dict[str, Any]


def check(call: Call) -> None:
    """Refuses values that break a rule, before anything is executed."""
    params = call.params
    check_texts(params, {"lookup_key": 200})
    check_metadata(params.get("metadata"))
    if "currency" in params:
        currency(params["currency"])
    _check_recurring(params.get("recurring") or {})


def _check_recurring(recurring: Body) -> None:
    most = _LONGEST_PERIOD.get(recurring.get("interval", ""), 0)
    if not 1 <= recurring.get("interval_count", 1) <= max(most, 1):
        message = "Invalid recurring[interval_count]: the period must be between one interval and three years."
        raise StripeError(400, message, param="recurring[interval_count]")


def check_create(call: Call) -> None:
    """Refuses a price of no product or of two, and one whose cost is not given in exactly one way."""
    check(call)
    params = call.params
    if ("product" in params) == ("product_data" in params):
        both = "product" in params
        message = "You may only specify one of these parameters: product, product_data." if both else (
            "Missing required param: product."
        )  # fmt: skip
        raise StripeError(400, message, code=f"parameter{'s_exclusive' if both else '_missing'}", param="product")
    check_cost(params)


def check_cost(params: Body) -> None:
    """Refuses a cost that the billing scheme does not fit."""
    tiered = params.get("billing_scheme") == "tiered"
    if tiered != ("tiers" in params) or tiered != ("tiers_mode" in params):
        name = "tiers" if tiered and "tiers" not in params else "tiers_mode" if tiered else "billing_scheme"
        message = "`tiers` and `tiers_mode` go with `billing_scheme=tiered`, and only with it."
        raise StripeError(400, message, param=name)
    if tiered and "transform_quantity" in params:
        message = "`transform_quantity` cannot be combined with `tiers`."
        raise StripeError(400, message, param="transform_quantity")
    amounts.pricing(params)
    for code, option in params.get("currency_options", {}).items():
        place = ("currency_options", code)
        currency(code, f"currency_options[{code}]")
        if code.lower() == params["currency"].lower():
            raise StripeError(400, "The default currency cannot be one of the currency options.", param=f"{place[0]}")
        amounts.pricing(option, place)


def create(call: Call) -> Body:
    """POST /v1/prices."""
    return make(call, active=call.params.get("active", True))


def make(call: Call, *, active: bool) -> Body:
    """A new price with its cost in each currency."""
    params = call.params
    product = _product(call)
    _take_lookup_key(call, None)
    code, recurring = params["currency"].lower(), _recurring(call, params.get("recurring"))
    cost, tiers = amounts.pricing(params)
    body: Body = {
        "id": stripe_id("price"), "object": KIND, "active": active,
        "billing_scheme": params.get("billing_scheme", "per_unit"), "created": int(call.world.clock.now()),
        "currency": code, **cost, "livemode": call.tenant.live, "lookup_key": params.get("lookup_key") or None,
        "metadata": merged_metadata({}, params.get("metadata")), "nickname": params.get("nickname") or None,
        "product": product, "recurring": recurring, "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": params.get("tiers_mode"), "transform_quantity": params.get("transform_quantity"),
        "type": "recurring" if recurring else "one_time",
    }  # fmt: skip
    options = {code: _option(body["tax_behavior"], cost, tiers)}
    for other, option in params.get("currency_options", {}).items():
        options[other.lower()] = _option(option.get("tax_behavior", "unspecified"), *amounts.pricing(option))
    documents.hide(call, body["id"], currency_options=options, **({"tiers": tiers} if tiers else {}))
    return documents.add(call, body, lookup=body["lookup_key"], event="price.created")


def _option(tax_behavior: str, cost: Body, tiers: list[Body] | None) -> Body:
    return {**cost, "tax_behavior": tax_behavior, **({"tiers": tiers} if tiers else {})}


def _recurring(call: Call, given: Body | None) -> Body | None:
    if not given:
        return None
    usage, meter = given.get("usage_type", "licensed"), given.get("meter") or None
    if (usage == "metered") != (meter is not None):
        message = "Metered prices must be backed by a meter, and only they: set recurring[meter]."
        raise StripeError(400, message, param="recurring[meter]")
    if meter:
        meters.usable(call, meter)
    return {
        "interval": given["interval"], "interval_count": given.get("interval_count", 1), "meter": meter,
        "trial_period_days": given.get("trial_period_days"), "usage_type": usage,
    }  # fmt: skip


def _product(call: Call) -> str:
    """The id of the price's product, made when it came along."""
    if "product_data" not in call.params:
        return documents.named(call, products.KIND, products.KIND, call.params["product"], "product").id
    data = {name: value for name, value in call.params["product_data"].items() if name != "tax_details"}
    products.check(call.having(data))
    return str(products.create(call.having(data))["id"])


def _take_lookup_key(call: Call, own: str | None) -> None:
    """Frees the lookup key for this price: from the one that has it, if the caller says so; else it is refused."""
    wanted = call.params.get("lookup_key")
    if not wanted:
        return
    for other in call.world.store.select(call.scope, KIND, "deleted=0 AND lookup=? AND id<>?", [wanted, own or ""]):
        if not call.params.get("transfer_lookup_key"):
            message = f"A price (`{other.id}`) already uses that lookup key."
            raise StripeError(400, message, param="lookup_key")
        documents.change(call, other, {**other.body, "lookup_key": None}, event="price.updated", lookup="")


def update(call: Call) -> Body:
    """POST /v1/prices/{id}: everything but what it costs."""
    old, params = documents.present(call, KIND, KIND), call.params
    if params.get("active") is False and old.body["active"]:
        product = call.world.store.get(call.scope, products.KIND, old.body["product"])
        if product and product.body["default_price"] == call.id:
            message = "This price cannot be archived because it is the default price of its product."
            raise StripeError(400, message)
    before, new = old.body["tax_behavior"], dict(old.body)
    if params.get("tax_behavior", before) != before and before != "unspecified":
        message = "You cannot change `tax_behavior` once it is set to `exclusive` or `inclusive`."
        raise StripeError(400, message, param="tax_behavior")
    _take_lookup_key(call, call.id)
    for name in ("active", "tax_behavior"):
        new[name] = params.get(name, old.body[name])
    for name in ("lookup_key", "nickname"):
        if name in params:
            new[name] = params[name] or None
    if "metadata" in params:
        new["metadata"] = merged_metadata(old.body["metadata"], params["metadata"])
    _change_options(call, old.body)
    return documents.change(call, old, new, event="price.updated", lookup=new["lookup_key"] or "")


def _change_options(call: Call, price: Body) -> None:
    """Currencies can be added and taken away; the price's own cannot."""
    if "currency_options" not in call.params:
        return
    given = call.params["currency_options"] or {}
    own = price["currency"]
    options = {own: documents.hidden(call, price["id"])["currency_options"][own]}
    for code, option in given.items():
        if currency(code, f"currency_options[{code}]") == own:
            raise StripeError(400, "The default currency cannot be one of the currency options.")
        cost = amounts.pricing(option, ("currency_options", code))
        options[code.lower()] = _option(option.get("tax_behavior", "unspecified"), *cost)
    documents.hide(call, price["id"], currency_options=options)


def retrieve(call: Call) -> Body:
    """GET /v1/prices/{id}."""
    return documents.present(call, KIND, KIND).body


def check_list(call: Call) -> None:
    """Refuses more than ten lookup keys."""
    lists.check_page(call)
    if len(call.params.get("lookup_keys", [])) > MOST_LOOKUP_KEYS:
        raise StripeError(400, f"You may only specify up to {MOST_LOOKUP_KEYS} lookup_keys.", param="lookup_keys")


def listed(call: Call) -> Body:
    """GET /v1/prices: active ones unless asked otherwise (source: Stripe API reference, list all prices)."""
    where, values = lists.created_range(call.params.get("created"))
    where.append("json_extract(body, '$.active')=?")
    values.append(call.params.get("active", True))
    for name in ("currency", "product", "type"):
        if name in call.params:
            where.append(f"json_extract(body, '$.{name}')=?")
            values.append(call.params[name].lower() if name == "currency" else call.params[name])
    for name, value in call.params.get("recurring", {}).items():
        where.append(f"json_extract(body, '$.recurring.{name}')=?")
        values.append(value)
    keys = call.params.get("lookup_keys")
    if keys is not None:
        where.append(f"lookup IN ({','.join('?' * len(keys))})")
        values += keys
    return documents.page(call, KIND, KIND, "/v1/prices", where, values)


def inline(call: Call, data: Body) -> Body:
    """The price that comes inside another request: it is inactive, so that lists leave it out."""
    own = dict(data)
    if "product_data" in own:
        own["product"] = products.inline(call, own.pop("product_data"))["id"]
    check_create(call.having(own))
    return make(call.having(own), active=False)


def usable(call: Call, id: str, param: str) -> Body:
    """A price that can be sold; raises for one that is missing, archived, or of an archived product."""
    price = documents.named(call, KIND, KIND, id, param).body
    if not price["active"]:
        message = "The price specified is inactive. This field only accepts active prices."
        raise StripeError(400, message, param=param)
    product = call.world.store.get(call.scope, products.KIND, price["product"])
    if product is None or product.deleted or not product.body["active"]:
        message = f"The product `{price['product']}` of this price is not active, so the price cannot be purchased."
        raise StripeError(400, message, param=param)
    return price


def in_currency(call: Call, price: Body, code: str, param: str) -> Body:
    """What a price costs in a currency; raises when it has none of it."""
    options: dict[str, Body] = documents.hidden(call, price["id"])["currency_options"]
    if code not in options:
        message = f"The price `{price['id']}` does not support the currency `{code}`: it has {', '.join(options)}."
        raise StripeError(400, message, param=param)
    return options[code]
