"""The lines of Stripe's invoices, each with the invoice item behind it, and what they come to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.store import Document
from sandbox.stripe_api import currencies, documents, lists, prices
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError, missing_object
from sandbox.stripe_api.forms import bracketed
from sandbox.stripe_api.rules import check_metadata, check_texts, merged_metadata

LINE, ITEM = "line_item", "invoiceitem"
MOST = 250
LARGEST = 99_999_999
Body = dict[str, Any]
Path = tuple[str, ...]
_WAYS = ("amount", "unit_amount_decimal", "price_data", "pricing", "invoice_item")


def check_item(given: Body, path: Path = (), *, new: bool = True) -> None:
    """Refuses a line that says its amount in no way or in two, and one that names what the sandbox does not have."""
    ways = [name for name in _WAYS if name in given]
    if len(ways) > 1:
        listed = ", ".join(bracketed((*path, name)) for name in ways)
        message = f"You may only specify one of these parameters: {listed}."
        raise StripeError(400, message, code="parameters_exclusive", param=bracketed((*path, ways[0])))
    if new and not ways:
        name = bracketed((*path, "amount"))
        raise StripeError(400, f"You must give an amount, a price or an item: {name}.", param=name)
    if "quantity" in given and "quantity_decimal" in given:
        message = "You may only specify one of these parameters: quantity, quantity_decimal."
        raise StripeError(400, message, code="parameters_exclusive", param=bracketed((*path, "quantity")))
    for name, noun in (("tax_rates", "tax rate"), ("discounts", "coupon")):
        if given.get(name):
            raise missing_object(noun, str(given[name][0]), param=bracketed((*path, name)), status=400)
    period = given.get("period")
    if period and period["end"] < period["start"]:
        message = "The period's end must not be before its start."
        raise StripeError(400, message, param=bracketed((*path, "period")))
    check_texts(given, {})
    check_metadata(given.get("metadata"))


def check_amount(amount: int, code: str, path: Path) -> None:
    """Refuses an amount that no invoice can hold; halves of a step only ISK and UGX may have, see `invoices`."""
    if abs(amount) > LARGEST:
        message = f"The amount must be no more than {currencies.shown(LARGEST, code)}."
        raise StripeError(400, message, code="amount_too_large", param=bracketed((*path, "amount")))
    if code in currencies.THREE_DECIMAL and amount % 10:
        message = f"Invalid {code} amount {amount}: the last digit must be 0."
        raise StripeError(400, message, code="parameter_invalid_integer", param=bracketed((*path, "amount")))


def priced(call: Call, given: Body, code: str, path: Path) -> Body:
    """What a line costs: amount, unit amount, and the price if it has one."""
    quantity = Decimal(given["quantity_decimal"] if "quantity_decimal" in given else given.get("quantity", 1))
    if "amount" in given:
        amount, price = given["amount"], None
        unit = Decimal(amount) / quantity if quantity else Decimal(amount)
        unit = unit.quantize(Decimal("1e-12")) if unit != unit.to_integral_value() else unit
    elif "unit_amount_decimal" in given:
        unit, price = Decimal(given["unit_amount_decimal"]), None
        amount = currencies.rounded(unit * quantity)
    else:
        price = _price(call, given, code, path)
        cost = prices.in_currency(call, price, code, bracketed((*path, "pricing")))
        if cost["unit_amount_decimal"] is None:
            message = "Only prices of so much a unit fit on an invoice of the sandbox."
            raise StripeError(400, message, param=bracketed((*path, "pricing")))
        unit = Decimal(cost["unit_amount_decimal"])
        amount = currencies.rounded(unit * quantity)
    check_amount(amount, code, path)
    details = {"price": price["id"], "product": price["product"]} if price else None
    return {
        "amount": amount, "quantity": int(quantity), "quantity_decimal": currencies.plain(quantity),
        "pricing": {
            **({"price_details": details} if details else {}), "type": "price_details",
            "unit_amount_decimal": currencies.plain(unit),
        },
    }  # fmt: skip


def _price(call: Call, given: Body, code: str, path: Path) -> Body:
    if "price_data" in given:
        data = given["price_data"]
        if data["currency"].lower() != code:
            message = f"The currency of the price must be the invoice's own, `{code}`."
            raise StripeError(400, message, param=bracketed((*path, "price_data", "currency")))
        return prices.inline(call, data)
    name = bracketed((*path, "pricing", "price"))
    if not given["pricing"].get("price"):
        raise StripeError(400, f"You must give {name}.", param=name)
    price = prices.usable(call, given["pricing"]["price"], name)
    if price["recurring"]:
        raise StripeError(400, "The price specified is set to `type=recurring` but this field only accepts prices with "
                          "`type=one_time`.", param=name)  # fmt: skip
    return price


def new_item(call: Call, given: Body, code: str, customer: str, invoice: str | None, path: Path) -> Body:
    """The invoice item of a line: "invoiceitem.created"."""
    now = int(call.world.clock.now())
    cost = priced(call, given, code, path)
    period = given.get("period") or {"end": now, "start": now}
    body: Body = {
        "id": stripe_id("ii"), "object": ITEM, "amount": cost["amount"], "currency": code, "customer": customer,
        "customer_account": None, "date": now, "description": given.get("description") or None,
        "discountable": given.get("discountable", cost["amount"] > 0), "discounts": [], "frozen_fields": None,
        "invoice": invoice, "invoicing_rules": None, "livemode": call.tenant.live,
        "metadata": merged_metadata({}, given.get("metadata")), "net_amount": cost["amount"], "parent": None,
        "period": period, "pricing": cost["pricing"], "proration": False, "quantity": cost["quantity"],
        "quantity_decimal": cost["quantity_decimal"], "tax_rates": [], "test_clock": None,
    }  # fmt: skip
    return documents.add(call, body, lookup=customer, event="invoiceitem.created")


def new_line(call: Call, item: Body, invoice: str, given: Body) -> Body:
    """The line that shows an item on its invoice."""
    body: Body = {
        "id": stripe_id("il"), "object": LINE, "amount": item["amount"], "currency": item["currency"],
        "description": item["description"], "discount_amounts": [], "discountable": item["discountable"],
        "discounts": [], "invoice": invoice, "livemode": item["livemode"], "metadata": item["metadata"],
        "parent": {
            "invoice_item_details": {
                "invoice_item": item["id"], "proration": False, "proration_details": {"credited_items": None},
                "subscription": None,
            },
            "subscription_item_details": None, "type": "invoice_item_details",
        },
        "period": item["period"], "pretax_credit_amounts": [], "pricing": item["pricing"],
        "quantity": item["quantity"], "quantity_decimal": item["quantity_decimal"], "subscription": None,
        "subtotal": item["amount"], "taxes": taxes(given.get("tax_amounts") or []),
    }  # fmt: skip
    return documents.add(call, body, lookup=invoice)


def taxes(given: list[Body]) -> list[Body]:
    """Taxes that the caller worked out: exclusive ones come on top, inclusive ones are in the amount already."""
    return [
        {
            "amount": tax["amount"], "tax_behavior": "inclusive" if tax["tax_rate_data"]["inclusive"] else "exclusive",
            "tax_rate_details": {"tax_rate": stripe_id("txr")},
            "taxability_reason": tax.get("taxability_reason") or "not_available",
            "taxable_amount": tax["taxable_amount"], "type": "tax_rate_details",
        }
        for tax in given
    ]  # fmt: skip


def of(call: Call, invoice: str) -> list[Document]:
    """All lines of an invoice in the order in which they came."""
    return call.world.store.select(call.scope, LINE, "deleted=0 AND lookup=?", [invoice], "seq")


def embedded(call: Call, invoice: str) -> Body:
    """The first page of the lines, as the invoice itself shows it: the rest has to be asked for."""
    found = [line.body for line in of(call, invoice)]
    return {
        "object": "list", "data": found[:10], "has_more": len(found) > 10,
        "url": f"/v1/invoices/{invoice}/lines",
    }  # fmt: skip


def listed(call: Call) -> Body:
    """GET /v1/invoices/{id}/lines."""
    documents.present(call, "invoice", "invoice")
    found = [line.body for line in of(call, call.id)]
    return lists.sliced(call, found, "line item", f"/v1/invoices/{call.id}/lines")


def sums(lines: list[Body]) -> Body:
    """What the lines come to, with and without tax."""
    subtotal = sum(line["amount"] for line in lines)
    found = [tax for line in lines for tax in line["taxes"]]
    on_top = sum(tax["amount"] for tax in found if tax["tax_behavior"] == "exclusive")
    inside = sum(tax["amount"] for tax in found if tax["tax_behavior"] == "inclusive")
    return {
        "subtotal": subtotal, "subtotal_excluding_tax": subtotal - inside, "total": subtotal + on_top,
        "total_excluding_tax": subtotal - inside, "total_taxes": found,
    }  # fmt: skip
