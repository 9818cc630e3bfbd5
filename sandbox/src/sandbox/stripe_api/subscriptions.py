"""Stripe's subscriptions, begun by a checkout or a call, until they end: they bill nothing by themselves here."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.stripe_api import customers, documents, invoices, line_items, lists
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError, missing_object
from sandbox.stripe_api.rules import merged_metadata

KIND = "subscription"
ENDED = ("canceled", "incomplete_expired")
Body = dict[str, Any]


def begin(call: Call, session: Body, hidden: Body) -> Body:
    """The subscription of a completed session: "customer.subscription.created"."""
    now, data = int(call.world.clock.now()), hidden["subscription_data"]
    id = stripe_id("sub")
    body: Body = {
        "id": id, "object": KIND, "application": None, "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None}, "billing_cycle_anchor": now,
        "billing_cycle_anchor_config": None, "billing_mode": {"flexible": {"proration_discounts": "included"},
        "type": "flexible"}, "billing_schedules": [], "billing_thresholds": None, "cancel_at": None,
        "cancel_at_period_end": False, "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically", "created": now, "currency": session["currency"],
        "customer": session["customer"], "customer_account": None, "days_until_due": None,
        "default_payment_method": None, "default_source": None, "default_tax_rates": [],
        "description": data.get("description"), "discounts": [], "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": _items(call, id, session, hidden["items"], now), "latest_invoice": None,
        "livemode": call.tenant.live, "metadata": data.get("metadata") or {},
        "next_pending_invoice_item_invoice": None, "on_behalf_of": None, "pause_collection": None,
        "payment_settings": None, "pending_invoice_item_interval": None, "pending_setup_intent": None,
        "pending_update": None, "schedule": None, "start_date": now, "status": "active",
        "test_clock": None, "transfer_data": None, "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
    }  # fmt: skip
    return documents.add(call, body, lookup=session["customer"], event="customer.subscription.created")


def _items(call: Call, id: str, session: Body, items: list[Body], now: int) -> Body:
    """The recurring ones of what was bought, each with its first period."""
    data = []
    for item in items:
        price = documents.shown_by_id(call, "price", item["price"])
        if price is None or not price["recurring"]:
            continue
        every = price["recurring"]
        data.append({
            "id": stripe_id("si"), "object": "subscription_item", "billing_thresholds": None, "created": now,
            "current_period_end": later(now, every["interval"], every["interval_count"]), "current_period_start": now,
            "discounts": [], "metadata": {}, "price": price, "quantity": item["quantity"], "subscription": id,
            "tax_rates": [],
        })  # fmt: skip
    url = f"/v1/subscription_items?subscription={id}"
    return {"object": "list", "data": data, "has_more": False, "url": url}


def later(moment: int, interval: str, count: int) -> int:
    """A moment so many intervals later; the last days of a month stay within their month."""
    start = datetime.fromtimestamp(moment, UTC)
    if interval in ("day", "week"):
        return int((start + timedelta(days=count * (7 if interval == "week" else 1))).timestamp())
    months = start.month - 1 + count * (12 if interval == "year" else 1)
    year, month = start.year + months // 12, months % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def first_invoice(call: Call, subscription: Body, items: list[Body]) -> Body:
    """What the checkout itself bills, finalized: the subscription names it as its latest one."""
    customer = documents.named(call, customers.KIND, customers.KIND, subscription["customer"], "customer")
    invoices.fix_currency(call, customer, subscription["currency"])
    draft = invoices.empty_draft(call, customer.body, subscription["currency"]) | {
        "billing_reason": "subscription_create", "parent": {
            "quote_details": None, "subscription_details": {
                "metadata": subscription["metadata"], "subscription": subscription["id"],
            }, "type": "subscription_details",
        },
    }  # fmt: skip
    for item in items:
        _bill(call, draft["id"], subscription, item)
    draft |= invoices.amounts(call, draft)
    documents.add(call, draft, lookup=customer.id, event="invoice.created")
    found = documents.named(call, invoices.KIND, invoices.KIND, draft["id"], "invoice")
    invoice = invoices.finalized(call, found, True)
    known = documents.named(call, KIND, KIND, subscription["id"], "subscription")
    documents.change(call, known, {**known.body, "latest_invoice": invoice["id"]})
    return invoice


def _bill(call: Call, invoice: str, subscription: Body, item: Body) -> None:
    """A line for something that was bought, once or for the first period."""
    shown = line_items.shown(call, item, subscription["currency"])
    owner = next((i for i in subscription["items"]["data"] if i["price"]["id"] == item["price"]), None)
    now = subscription["created"]
    end = owner["current_period_end"] if owner else now
    nothing = {"credited_items": None}
    parent: Body = {
        "invoice_item_details": None, "subscription_item_details": {
            "invoice_item": None, "proration": False, "proration_details": nothing,
            "subscription": subscription["id"], "subscription_item": owner["id"],
        }, "type": "subscription_item_details",
    } if owner else {
        "invoice_item_details": {
            "invoice_item": stripe_id("ii"), "proration": False, "proration_details": nothing, "subscription": None,
        }, "subscription_item_details": None, "type": "invoice_item_details",
    }  # fmt: skip
    details = {"price": item["price"], "product": shown["price"]["product"]}
    documents.add(call, {
        "id": stripe_id("il"), "object": "line_item", "amount": shown["amount_total"],
        "currency": subscription["currency"], "description": f"{item['quantity']} × {item['description']}",
        "discount_amounts": [], "discountable": True, "discounts": [], "invoice": invoice,
        "livemode": subscription["livemode"], "metadata": {}, "parent": parent,
        "period": {"end": end, "start": now}, "pretax_credit_amounts": [],
        "pricing": {"price_details": details, "type": "price_details",
                    "unit_amount_decimal": shown["price"]["unit_amount_decimal"]},
        "quantity": item["quantity"], "quantity_decimal": str(item["quantity"]),
        "subscription": subscription["id"], "subtotal": shown["amount_total"], "taxes": [],
    }, lookup=invoice)  # fmt: skip


def create(call: Call) -> Body:
    """POST /v1/subscriptions: of recurring prices in one currency, on trial for so many days if that is asked for."""
    params = call.params
    customer = documents.named(call, customers.KIND, customers.KIND, params.get("customer") or "", "customer")
    asked = params.get("items") or []
    if not asked:
        raise StripeError(400, "Missing required param: items.", code="parameter_missing", param="items")
    prices = [_price(call, item) for item in asked]
    if any(price["recurring"] is None for price in prices):
        message = "The price specified is set to `type=one_time` but this field only accepts `type=recurring` prices."
        raise StripeError(400, message, param="items[0][price]")
    invoices.fix_currency(call, customer, prices[0]["currency"])
    session = {"customer": customer.id, "currency": prices[0]["currency"]}
    items = [{"price": item["price"], "quantity": item.get("quantity", 1)} for item in asked]
    made = begin(call, session, {"items": items, "subscription_data": {"metadata": params.get("metadata") or {}}})
    days = params.get("trial_period_days")
    if not days:
        return made
    known = documents.named(call, KIND, KIND, made["id"], "subscription")
    trial = {"status": "trialing", "trial_start": made["created"], "trial_end": made["created"] + days * 86_400}
    return documents.change(call, known, {**made, **trial}, event="customer.subscription.updated")


def _price(call: Call, item: Body) -> Body:
    return documents.named(call, "price", "price", item.get("price") or "", "items[0][price]").body


UPDATED = ("cancel_at_period_end", "metadata", "pause_collection")
"""What a call may change here; the rest of Stripe's parameters is refused by name."""


def update(call: Call) -> Body:
    """POST /v1/subscriptions/{id}: that it ends with its period or goes on, a pause of its collection, metadata."""
    old = documents.present(call, KIND, KIND)
    if old.body["status"] in ENDED:
        raise missing_object(KIND, call.id)
    for name in call.params.keys() - {*UPDATED, "expand"}:
        raise StripeError(400, f"The sandbox does not serve {name} of a subscription that is there.", param=name)
    new = dict(old.body)
    if "metadata" in call.params:
        new["metadata"] = merged_metadata(old.body["metadata"], call.params["metadata"])
    if "pause_collection" in call.params:
        given = call.params["pause_collection"]
        new["pause_collection"] = {"resumes_at": None, **given} if given else None
    ends = call.params.get("cancel_at_period_end")
    if ends is not None and ends != new["cancel_at_period_end"]:
        now = int(call.world.clock.now())
        why = {"comment": None, "feedback": None, "reason": "cancellation_requested" if ends else None}
        new |= {
            "cancel_at_period_end": ends, "cancel_at": period_end(new) if ends else None,
            "canceled_at": now if ends else None, "cancellation_details": why,
        }  # fmt: skip
    return documents.change(call, old, new, event="customer.subscription.updated")


def period_end(subscription: Body) -> int:
    """When the last of its items' periods ends: the subscription itself has none."""
    return int(max(item["current_period_end"] for item in subscription["items"]["data"]))


def put(call: Call, changes: Body, periods_end: int | None) -> Body:
    """What happens to it at Stripe without a call: another status, a discount, a period that ends at another time."""
    old = documents.present(call, KIND, KIND)
    new = {**old.body, **changes}
    if periods_end is not None:
        data = [{**item, "current_period_end": periods_end} for item in new["items"]["data"]]
        new["items"] = {**new["items"], "data": data}
    return documents.change(call, old, new, event="customer.subscription.updated")


def end_due(call: Call) -> None:
    """Ends every subscription that was to end with its period."""
    due = "json_extract(body, '$.cancel_at')<=? AND json_extract(body, '$.ended_at') IS NULL"
    for found in call.world.store.select(call.scope, KIND, due, [call.world.clock.now()], "seq"):
        ended = {**found.body, "status": "canceled", "ended_at": found.body["cancel_at"]}
        documents.change(call, found, ended, event="customer.subscription.deleted")


def cancel(call: Call) -> Body:
    """DELETE /v1/subscriptions/{id}: it ends at once."""
    old, now = documents.present(call, KIND, KIND), int(call.world.clock.now())
    if old.body["status"] == "canceled":
        raise missing_object(KIND, call.id)
    ended = {**old.body, "status": "canceled", "canceled_at": now, "ended_at": now}
    return documents.change(call, old, ended, event="customer.subscription.deleted")


def retrieve(call: Call) -> Body:
    """GET /v1/subscriptions/{id}."""
    end_due(call)
    return documents.present(call, KIND, KIND).body


def listed(call: Call) -> Body:
    """GET /v1/subscriptions, by customer and status; without canceled ones unless asked for."""
    end_due(call)
    where, values = lists.created_range(call.params.get("created"))
    if call.params.get("customer"):
        where.append("lookup=?")
        values.append(call.params["customer"])
    status = call.params.get("status")
    if status not in (None, "all"):
        where.append("json_extract(body, '$.status')=?")
        values.append(status)
    elif status is None:
        where.append("json_extract(body, '$.status')<>'canceled'")
    return documents.page(call, KIND, KIND, "/v1/subscriptions", where, values)
