"""Stripe's invoices: drafts, and the way from draft to paid, void or uncollectible.

draft > open > paid | void | uncollectible; uncollectible > paid | void (source: Stripe docs, invoicing, workflow
transitions).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.identifiers import random_text, stripe_id
from sandbox.store import Document
from sandbox.stripe_api import (
    balances,
    bank_transfers,
    currencies,
    customers,
    discounts,
    documents,
    invoice_lines,
    lists,
    outbox,
    payments,
)
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError, missing_object
from sandbox.stripe_api.events import emit
from sandbox.stripe_api.rules import check_metadata, check_served, check_texts, differences, merged_metadata

KIND = "invoice"
Body = dict[str, Any]
_TEXTS = ("description", "footer", "statement_descriptor")
_ALWAYS = frozenset({"metadata", "auto_advance", "expand", "payment_settings"})
_MISSING_EMAIL = (
    "Missing email. In order to create invoices that are sent to the customer, the customer must have a valid email."
)


def check(call: Call) -> None:
    """Refuses values that break a rule, before anything is executed."""
    params = call.params
    check_texts(params, {"number": 26})
    check_served(params)
    check_metadata(params.get("metadata"))
    if len(params.get("custom_fields") or []) > 4:
        raise StripeError(400, "You may only specify up to 4 custom fields.", param="custom_fields")
    if "days_until_due" in params and "due_date" in params:
        message = "You may only specify one of these parameters: days_until_due, due_date."
        raise StripeError(400, message, code="parameters_exclusive", param="days_until_due")
    if params.get("due_date", call.world.clock.now() + 1) <= call.world.clock.now():
        raise StripeError(400, "Invalid due_date: must be in the future.", param="due_date")
    for name, noun in (("discounts", "coupon"), ("default_tax_rates", "tax rate"), ("subscription", "subscription"),
                       ("default_payment_method", "PaymentMethod"), ("from_invoice", "invoice")):  # fmt: skip
        if params.get(name):
            raise missing_object(noun, str(params[name]), param=name, status=400)


def check_create(call: Call) -> None:
    """Refuses an invoice for nobody, and one that is to be sent and says not when it is due."""
    check(call)
    params = call.params
    if not params.get("customer"):
        raise StripeError(400, "You must provide a customer here.", code="parameter_missing", param="customer")
    if "currency" in params:
        currencies.currency(params["currency"])
    sends = params.get("collection_method") == "send_invoice"
    dated = "days_until_due" in params or "due_date" in params
    if sends != dated:
        message = "`days_until_due` or `due_date` goes with `collection_method=send_invoice`, and only with it."
        raise StripeError(400, message, param="days_until_due")


def create(call: Call) -> Body:
    """POST /v1/invoices: an empty draft, or one with the customer's pending items."""
    params = call.params
    found = documents.named(call, customers.KIND, customers.KIND, params["customer"], "customer")
    customer = found.body
    code = (params.get("currency") or customer["currency"] or "usd").lower()
    fix_currency(call, found, code)
    if params.get("collection_method") == "send_invoice" and not customer["email"]:
        raise StripeError(400, _MISSING_EMAIL, code="missing_email", param="customer")
    bank_transfers.check(params.get("payment_settings"), code)
    _check_number(call)
    body = _applied(call, empty_draft(call, customer, code) | {"discounts": discounts.of_new(customer, params)}, params)
    documents.hide(call, body["id"], days=params.get("days_until_due"))
    if params.get("pending_invoice_items_behavior") == "include":
        _take_pending(call, body)
    body = {**body, **amounts(call, body)}
    return documents.add(call, body, lookup=customer["id"], event="invoice.created")


def _check_number(call: Call) -> None:
    """Refuses a number that another invoice of the account has."""
    number = call.params.get("number")
    where = "deleted=0 AND id<>? AND json_extract(body, '$.number')=?"
    if number and call.world.store.select(call.scope, KIND, where, [call.id, number], "seq", 1):
        raise StripeError(400, f"The invoice number {number} is already in use.", param="number")


def fix_currency(call: Call, customer: Document, code: str) -> None:
    """A customer has one currency, that of its first invoice or item."""
    known = customer.body["currency"]
    if known not in (None, code):
        raise StripeError(
            400,
            "You cannot combine currencies on a single customer. This customer has had a subscription, coupon, or "
            f"invoice item with currency {known}",
            param="currency",
        )
    documents.change(call, customer, {**customer.body, "currency": code}, event="customer.updated")


def empty_draft(call: Call, customer: Body, code: str) -> Body:
    """An invoice before anything is on it; it is not kept yet."""
    now = int(call.world.clock.now())
    return {
        "id": stripe_id("in"), "object": KIND, "account_country": "US", "account_name": call.tenant.body.get("name"),
        "account_tax_ids": None, "amount_due": 0, "amount_overpaid": 0, "amount_paid": 0, "amount_remaining": 0,
        "amount_shipping": 0, "application": None, "attempt_count": 0, "attempted": False, "auto_advance": False,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None, "provider": None,
                          "status": None},
        "automatically_finalizes_at": None, "billing_reason": "manual", "collection_method": "charge_automatically",
        "created": now, "currency": code, "custom_fields": None, "customer": customer["id"], "customer_account": None,
        **{f"customer_{name}": customer[name] for name in ("address", "email", "name", "phone", "shipping",
                                                            "tax_exempt")},
        "customer_tax_ids": [], "default_payment_method": None, "default_source": None, "default_tax_rates": [],
        "description": None, "discounts": [], "due_date": None, "effective_at": None, "ending_balance": None,
        "footer": None, "from_invoice": None, "hosted_invoice_url": None, "invoice_pdf": None,
        "issuer": {"type": "self"}, "last_finalization_error": None, "latest_revision": None, "lines": {},
        "livemode": call.tenant.live, "metadata": {}, "next_payment_attempt": None, "number": None,
        "on_behalf_of": None, "parent": None,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": now, "period_start": now, "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0, "receipt_number": None, "rendering": None, "shipping_cost": None,
        "shipping_details": None, "starting_balance": 0, "statement_descriptor": None, "status": "draft",
        "status_details": None,
        "status_transitions": {"finalized_at": None, "marked_uncollectible_at": None, "paid_at": None,
                               "voided_at": None},
        "subtotal": 0, "subtotal_excluding_tax": 0, "test_clock": None, "total": 0, "total_discount_amounts": [],
        "total_excluding_tax": 0, "total_pretax_credit_amounts": [], "total_taxes": [], "webhooks_delivered_at": now,
    }  # fmt: skip


def _take_pending(call: Call, invoice: Body) -> None:
    where = "deleted=0 AND lookup=? AND json_extract(body, '$.invoice') IS NULL AND json_extract(body, '$.currency')=?"
    values = [invoice["customer"], invoice["currency"]]
    for item in call.world.store.select(call.scope, invoice_lines.ITEM, where, values, "seq")[: invoice_lines.MOST]:
        taken = documents.change(call, item, {**item.body, "invoice": invoice["id"]}, event="invoiceitem.updated")
        invoice_lines.new_line(call, taken, invoice["id"], {})


def _applied(call: Call, old: Body, params: Body) -> Body:
    new = dict(old)
    for name in ("auto_advance", "collection_method", "effective_at", "automatically_finalizes_at", "due_date"):
        if name in params:
            new[name] = params[name] if params[name] != "" else None
    if "days_until_due" in params:
        new["due_date"] = old["created"] + params["days_until_due"] * 86_400
    for name in (*_TEXTS, "number", "custom_fields"):
        if name in params:
            new[name] = params[name] or None
    if "discounts" in params:
        new["discounts"] = []
    if "metadata" in params:
        new["metadata"] = merged_metadata(old["metadata"], params["metadata"])
    if "payment_settings" in params:
        given = {name: value or None for name, value in params["payment_settings"].items()}
        if "payment_method_options" in given:
            given["payment_method_options"] = bank_transfers.shown(given["payment_method_options"])
        new["payment_settings"] = {**old["payment_settings"], **given}
    return new


def amounts(call: Call, invoice: Body) -> Body:
    """What a draft comes to as it is now, with the customer's balance."""
    lines = [line.body for line in invoice_lines.of(call, invoice["id"])]
    found = discounts.taken_off(call, invoice, invoice_lines.sums(lines))
    balance = balances.of(call, invoice["customer"])
    due = max(0, found["total"] + balance)
    return {
        **found, "lines": invoice_lines.embedded(call, invoice["id"]), "starting_balance": balance, "amount_due": due,
        "amount_remaining": due,
    }  # fmt: skip


def editable(call: Call, id: str) -> Document:
    """The draft in the path; raises 400 for an invoice that is finalized."""
    found = documents.named(call, KIND, KIND, id, "invoice") if id != call.id else documents.present(call, KIND, KIND)
    if found.body["status"] != "draft":
        message = "This invoice is no longer editable: it has been finalized."
        raise StripeError(400, message, code="invoice_not_editable")
    return found


def recount(call: Call, old: Document, more: Body | None = None) -> Body:
    """A draft after a change of its lines: "invoice.updated"."""
    new = {**old.body, **(more or {})}
    return documents.change(call, old, {**new, **amounts(call, new)}, event="invoice.updated")


def update(call: Call) -> Body:
    """POST /v1/invoices/{id}; of a finalized one little more than its metadata."""
    old = documents.present(call, KIND, KIND)
    if old.body["status"] != "draft" and set(call.params) - _ALWAYS:
        message = "Finalized invoices can't be updated in this way"
        raise StripeError(400, message, code="invoice_not_editable", param=min(set(call.params) - _ALWAYS))
    bank_transfers.check(call.params.get("payment_settings"), old.body["currency"])
    _check_number(call)
    if "days_until_due" in call.params:
        documents.hide(call, call.id, days=call.params["days_until_due"])
    return documents.change(call, old, _applied(call, old.body, call.params), event="invoice.updated")


def retrieve(call: Call) -> Body:
    """GET /v1/invoices/{id}."""
    return documents.present(call, KIND, KIND).body


def delete(call: Call) -> Body:
    """DELETE /v1/invoices/{id}: of a draft alone; its items go with it."""
    old = documents.present(call, KIND, KIND)
    if old.body["status"] != "draft":
        raise StripeError(400, "You can only delete draft invoices.", code="invoice_not_editable")
    for line in invoice_lines.of(call, call.id):
        item = line.body["parent"]["invoice_item_details"]["invoice_item"]
        documents.remove(call, line)
        documents.remove(call, documents.named(call, invoice_lines.ITEM, "invoiceitem", item, "invoice_item"))
    return documents.remove(call, old, event="invoice.deleted")


def listed(call: Call) -> Body:
    """GET /v1/invoices, by customer, status, collection method, created and due date."""
    where, values = lists.created_range(call.params.get("created"))
    if call.params.get("customer"):
        where.append("lookup=?")
        values.append(call.params["customer"])
    for name in ("status", "collection_method"):
        if call.params.get(name):
            where.append(f"json_extract(body, '$.{name}')=?")
            values.append(call.params[name])
    due, dates = lists.created_range(call.params.get("due_date"))
    where += [condition.replace("created", "json_extract(body, '$.due_date')") for condition in due]
    return documents.page(call, KIND, KIND, "/v1/invoices", where, [*values, *dates])


def emitted(call: Call, old: Document, new: Body, *events: str) -> Body:
    """A new state with its events; of them only "invoice.updated" says what was there before."""
    documents.change(call, old, new)
    for event in events:
        emit(call, event, new, differences(old.body, new) if event.endswith(".updated") else None)
    return new


def finalize(call: Call) -> Body:
    """POST /v1/invoices/{id}/finalize: draft > open, or > paid where nothing is left to pay."""
    old = documents.present(call, KIND, KIND)
    if old.body["status"] != "draft":
        message = "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        raise StripeError(400, message, code="invoice_not_editable")
    return finalized(call, old, bool(call.params.get("auto_advance", old.body["auto_advance"])))


def finalized(call: Call, old: Document, auto_advance: bool) -> Body:
    """A draft made final: numbered, with what is due after the customer's balance; nothing left to pay is paid."""
    draft, now = {**old.body, **amounts(call, old.body)}, int(call.world.clock.now())
    customer = documents.named(call, customers.KIND, customers.KIND, draft["customer"], "customer")
    if draft["collection_method"] == "send_invoice" and not customer.body["email"]:
        raise StripeError(400, _MISSING_EMAIL, code="missing_email")
    days = documents.hidden(call, old.id).get("days")
    mode, secret = "live" if call.tenant.live else "test", random_text(32)
    page = f"{call.base}pay/{call.tenant.id}/{mode}/{old.id}"
    new = {
        **draft, **_balanced(draft), "auto_advance": auto_advance, "status": "open", "effective_at": now,
        "number": draft["number"] or _next_number(call, customer), "hosted_invoice_url": f"{page}?s={secret}",
        "invoice_pdf": f"{page}?s={secret}&pdf=1", "customer_email": customer.body["email"],
        "due_date": now + days * 86_400 if days is not None else draft["due_date"],
        "status_transitions": {**draft["status_transitions"], "finalized_at": now},
    }  # fmt: skip
    events = ["invoice.finalized"]
    if new["amount_due"] == 0:
        new = _paid(new, now)
        events.append("invoice.paid")
    emitted(call, old, new, *events)
    moved = new["ending_balance"] - new["starting_balance"]
    if moved:
        small = new["amount_due"] == 0 and new["total"] > 0 and new["ending_balance"] > 0
        kind = "invoice_too_small" if small else "applied_to_invoice"
        balances.change(call, new["customer"], moved, kind, new["currency"], invoice=old.id)
    return new


def _balanced(draft: Body) -> Body:
    """What is due after the customer's balance, and what of it the customer keeps or goes on owing.

    Less than the smallest charge is carried on; a fraction of a currency that has none is too.
    """
    whole, code = draft["total"] + draft["starting_balance"], draft["currency"]
    due = max(0, whole)
    if code in currencies.WHOLE_IN_TWO:
        due = currencies.rounded(Decimal(due) / 100) * 100
    if due < currencies.MINIMUM.get(code, 1):
        due = 0
    return {"amount_due": due, "amount_remaining": due, "ending_balance": whole - due}


def _paid(invoice: Body, now: int) -> Body:
    return {**invoice, "status": "paid", "status_transitions": {**invoice["status_transitions"], "paid_at": now}}


def _next_number(call: Call, customer: Document) -> str:
    sequence = customer.body["next_invoice_sequence"]
    documents.change(call, customer, {**customer.body, "next_invoice_sequence": sequence + 1})
    return f"{customer.body['invoice_prefix']}-{sequence:04d}"


def advance_due(call: Call) -> None:
    """Finalizes drafts whose time has come: an hour after they were made, if they advance by themselves."""
    now = call.world.clock.now()
    where = (
        "deleted=0 AND json_extract(body, '$.status')='draft' AND json_extract(body, '$.auto_advance')=1 AND "
        "coalesce(json_extract(body, '$.automatically_finalizes_at'), created+3600)<=?"
    )
    for found in call.world.store.select(call.scope, KIND, where, [now], "seq"):
        try:
            with call.world.store.savepoint():
                finalized(call, found, True)
        except StripeError as error:
            failed = {**found.body, "auto_advance": False, "last_finalization_error": error.body()["error"]}
            emitted(call, found, failed, "invoice.finalization_failed")


def send(call: Call) -> Body:
    """POST /v1/invoices/{id}/send: mails it; a draft is finalized first."""
    old = documents.present(call, KIND, KIND)
    if old.body["collection_method"] != "send_invoice":
        message = "You can only manually send an invoice if its collection method is 'send_invoice'."
        raise StripeError(400, message)
    if old.body["status"] == "draft":
        finalized(call, old, old.body["auto_advance"])
        old = documents.present(call, KIND, KIND)
    if old.body["status"] not in ("open", "paid"):
        raise _wrong_status(old.body, "sent")
    outbox.post(call, old.body)
    emit(call, "invoice.sent", old.body)
    return old.body


def void(call: Call) -> Body:
    """POST /v1/invoices/{id}/void: nobody has to pay it any more; its payment is canceled, the balance goes back."""
    old, now = documents.present(call, KIND, KIND), int(call.world.clock.now())
    if old.body["status"] not in ("open", "uncollectible") or old.body["amount_paid"]:
        raise _wrong_status(old.body, "voided")
    transitions = {**old.body["status_transitions"], "voided_at": now}
    new = emitted(call, old, {**old.body, "status": "void", "status_transitions": transitions}, "invoice.voided")
    for payment in documents.hidden(call, call.id).get("intents", []):
        payments.cancel(call, payment, "void_invoice")
    moved = new["ending_balance"] - new["starting_balance"]
    if moved and call.world.settings.stripe_void_returns_credit:
        kind = "unapplied_from_invoice"
        balances.change(call, new["customer"], -moved, kind, new["currency"], invoice=call.id)
    return new


def mark_uncollectible(call: Call) -> Body:
    """POST /v1/invoices/{id}/mark_uncollectible: open > uncollectible; it can still be paid."""
    old, now = documents.present(call, KIND, KIND), int(call.world.clock.now())
    if old.body["status"] != "open":
        raise _wrong_status(old.body, "marked as uncollectible")
    transitions = {**old.body["status_transitions"], "marked_uncollectible_at": now}
    new = {**old.body, "status": "uncollectible", "status_transitions": transitions}
    return emitted(call, old, new, "invoice.marked_uncollectible")


def _wrong_status(invoice: Body, done: str) -> StripeError:
    what = "draft invoices" if invoice["status"] == "draft" else f"invoices that are {invoice['status']}"
    return StripeError(400, f"The invoice cannot be {done}: this is not possible for {what}.")
