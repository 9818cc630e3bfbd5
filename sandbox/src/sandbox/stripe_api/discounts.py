"""What a customer is let off: every invoice of the customer has it that says nothing of its own (source: Stripe's API,
`discounts` of an invoice: "If not specified, inherits the discount from the invoice's customer. Pass an empty string to
avoid inheriting any discounts").
"""

from __future__ import annotations

from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.stripe_api import customers, documents
from sandbox.stripe_api.calls import Call

Body = dict[str, Any]


def put(call: Call, percent: int) -> Body:
    """What a person gives a customer by hand, in whole percent; 0 takes it away."""
    old = documents.present(call, customers.KIND, customers.KIND)
    id = stripe_id("di")
    documents.hide(call, id, percent=percent)
    found = {
        "id": id, "object": "discount", "checkout_session": None, "customer": call.id, "customer_account": None,
        "end": None, "invoice": None, "invoice_item": None, "promotion_code": None,
        "source": {"coupon": f"off-{percent}", "type": "coupon"}, "start": int(call.world.clock.now()),
        "subscription": None, "subscription_item": None,
    }  # fmt: skip
    return documents.change(call, old, {**old.body, "discount": found if percent else None}, event="customer.updated")


def of_new(customer: Body, params: Body) -> list[str]:
    """The discounts of a new invoice, by their ids."""
    inherits = "discounts" not in params and customer["discount"]
    return [customer["discount"]["id"]] if inherits else []


def taken_off(call: Call, invoice: Body, found: Body) -> Body:
    """The sums of an invoice's lines, less its discounts."""
    rows = [
        {"discount": id, "amount": found["subtotal"] * documents.hidden(call, id)["percent"] // 100}
        for id in invoice["discounts"]
    ]
    off = sum(row["amount"] for row in rows)
    sums = {name: found[name] - off for name in ("total", "total_excluding_tax")}
    return {**found, **sums, "total_discount_amounts": rows}
