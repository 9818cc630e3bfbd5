"""What is sold by a payment link or in a checkout session: prices with quantities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.stripe_api import amounts, currencies, documents, prices, products
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError

Body = dict[str, Any]


@dataclass(frozen=True)
class Basket:
    """Line items as they are kept, their currency, and whether any of them comes again each period."""

    items: list[Body]
    currency: str
    recurring: bool

    @property
    def total(self) -> int:
        """What all of them cost together."""
        return sum(item["subtotal"] for item in self.items)


def check(given: list[Body], most: int) -> None:
    """Refuses too many items, and items that name no price or two."""
    if not 1 <= len(given) <= most:
        raise StripeError(400, f"You must specify between 1 and {most} line items.", param="line_items")
    for index, item in enumerate(given):
        if ("price" in item) == ("price_data" in item):
            message = f"You must specify either `price` or `price_data` for line_items[{index}]."
            raise StripeError(400, message, param=f"line_items[{index}]")
        if item.get("quantity", 1) < 1:
            name = f"line_items[{index}][quantity]"
            message = "This value must be greater than or equal to 1."
            raise StripeError(400, message, code="parameter_invalid_integer", param=name)


def basket(call: Call, given: list[Body], currency: str | None) -> Basket:
    """Line items of a request; prices that come along are made, and all of them must have the one currency."""
    found = [(item, _price(call, item, f"line_items[{index}]")) for index, item in enumerate(given)]
    code = currencies.currency(currency) if currency else str(found[0][1]["currency"])
    items = []
    for index, (item, price) in enumerate(found):
        items.append(_kept(call, item, price, code, f"line_items[{index}]"))
    return Basket(items, code, any(price["recurring"] for _, price in found))


def _price(call: Call, item: Body, place: str) -> Body:
    if "price" in item:
        return prices.usable(call, item["price"], f"{place}[price]")
    return prices.inline(call, item["price_data"])


def _kept(call: Call, item: Body, price: Body, code: str, place: str) -> Body:
    product = documents.named(call, products.KIND, products.KIND, price["product"], f"{place}[price]").body
    metered = (price["recurring"] or {}).get("usage_type") == "metered"
    if metered and "quantity" in item:
        message = f"The price `{price['id']}` is metered: a quantity cannot be given, its usage counts."
        raise StripeError(400, message, param=place.replace("[price]", "") + "[quantity]")
    quantity = None if metered else item.get("quantity", 1)
    cost = prices.in_currency(call, price, code, f"{place}[price]")
    made: Body = {
        "id": stripe_id("li"), "price": price["id"], "quantity": quantity, "description": product["name"],
        "adjustable_quantity": adjustable(item.get("adjustable_quantity")), "free": False,
        "subtotal": 0 if quantity is None else amounts.line_total(price, cost, quantity),
    }  # fmt: skip
    return made


def adjustable(given: Body | None) -> Body | None:
    """Within which limits the buyer can choose the quantity; None when not at all."""
    if not given or not given["enabled"]:
        return None
    return {"enabled": True, "maximum": given.get("maximum", 99), "minimum": given.get("minimum", 0)}


def again(items: list[Body]) -> list[Body]:
    """The same items for another object."""
    return [{**item, "id": stripe_id("li")} for item in items]


def with_quantity(call: Call, item: Body, quantity: int, code: str) -> Body:
    """An item in another quantity, with what that costs."""
    price = documents.named(call, prices.KIND, prices.KIND, item["price"], "price").body
    cost = amounts.line_total(price, prices.in_currency(call, price, code, "price"), quantity)
    return {**item, "quantity": quantity, "subtotal": cost}


def shown(call: Call, item: Body, code: str) -> Body:
    """An item as answers show it, with its price as that is now."""
    off = item["subtotal"] if item["free"] else 0
    return {
        "id": item["id"], "object": "item", "adjustable_quantity": item["adjustable_quantity"], "amount_discount": off,
        "amount_subtotal": item["subtotal"], "amount_tax": 0, "amount_total": item["subtotal"] - off, "currency": code,
        "description": item["description"], "metadata": {},
        "price": documents.shown_by_id(call, "price", item["price"]), "quantity": item["quantity"],
    }  # fmt: skip


def of(call: Call, owner: Body) -> list[Body]:
    """All line items of a link or session as answers show them."""
    return [shown(call, item, owner["currency"]) for item in documents.hidden(call, owner["id"]).get("items", [])]


def embedded(call: Call, owner: Body) -> Body:
    """The first ten, as `expand` shows them."""
    url = {"payment_link": "/v1/payment_links", "checkout.session": "/v1/checkout/sessions"}[owner["object"]]
    items = of(call, owner)
    return {
        "object": "list", "data": items[:10], "has_more": len(items) > 10, "url": f"{url}/{owner['id']}/line_items",
    }  # fmt: skip
