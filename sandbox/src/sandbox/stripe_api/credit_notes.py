"""Stripe's credit notes: an open invoice asks for less, or a paid one gives something back."""

from __future__ import annotations

from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.store import Document
from sandbox.stripe_api import (
    balances,
    currencies,
    documents,
    invoice_lines,
    invoice_payments,
    invoices,
    lists,
    outbox,
    payments,
    refunds,
)
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.rules import check_metadata, check_texts, merged_metadata

KIND = "credit_note"
NOUN = "credit note"
Body = dict[str, Any]


def check(call: Call) -> None:
    """Refuses a note over nothing, and texts over their limits."""
    params = call.params
    check_texts(params, {})
    check_metadata(params.get("metadata"))
    if ("amount" in params) == bool(params.get("lines")):
        raise StripeError(400, "You must specify either `amount` or `lines`.", param="amount")


def create(call: Call) -> Body:
    """POST /v1/credit_notes: before the payment it lowers what is open, after it gives back what the caller says.

    It is mailed unless `email_type` is "none" (source: Stripe's API reference, "Create a credit note").
    """
    params = call.params
    found = documents.named(call, invoices.KIND, invoices.KIND, params["invoice"], "invoice")
    invoice = found.body
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        message = f"You can only create a credit note for a finalized invoice, and this one is {invoice['status']}."
        raise StripeError(400, message, param="invoice")
    lines = _lines(call, invoice)
    amount = sum(line["amount"] for line in lines)
    before = min(amount, invoice["amount_remaining"])
    after = amount - before
    _check_amounts(params, invoice, amount, after)
    issued = call.world.store.count(call.scope, KIND, "lookup=?", invoice["id"])
    body: Body = {
        "id": stripe_id("cn"), "object": KIND, "amount": amount, "amount_shipping": 0,
        "created": int(call.world.clock.now()), "currency": invoice["currency"], "customer": invoice["customer"],
        "customer_account": None, "customer_balance_transaction": None, "discount_amount": 0, "discount_amounts": [],
        "effective_at": params.get("effective_at", int(call.world.clock.now())), "invoice": invoice["id"],
        "lines": {"object": "list", "data": lines[:10], "has_more": len(lines) > 10,
                  "url": "/v1/credit_notes/lines"},
        "livemode": call.tenant.live, "memo": params.get("memo") or None,
        "metadata": merged_metadata({}, params.get("metadata")), "number": f"{invoice['number']}-CN-{issued + 1:02d}",
        "out_of_band_amount": params.get("out_of_band_amount"), "pdf": f"{call.base}pay/credit_note.pdf",
        "post_payment_amount": after, "pre_payment_amount": before, "pretax_credit_amounts": [],
        "reason": params.get("reason"), "refunds": [], "shipping_cost": None, "status": "issued", "subtotal": amount,
        "subtotal_excluding_tax": amount, "total": amount, "total_excluding_tax": amount, "total_taxes": [],
        "type": "mixed" if before and after else "post_payment" if after else "pre_payment", "voided_at": None,
    }  # fmt: skip
    body["lines"]["url"] = f"/v1/credit_notes/{body['id']}/lines"
    body |= _given_back(call, found, body)
    documents.hide(call, body["id"], lines=lines)
    documents.add(call, body, lookup=invoice["id"], event="credit_note.created")
    _lower(call, found, before, after)
    if params.get("email_type") != "none":
        outbox.post_note(call, invoice, body)
    return body


def _lines(call: Call, invoice: Body) -> list[Body]:
    """What is credited: so much at large, parts of the invoice's lines, or lines of the note's own."""
    params = call.params
    given = params.get("lines") or [
        {"type": "custom_line_item", "description": params.get("memo"), "quantity": 1, "unit_amount": params["amount"]}
    ]
    return [_line(call, invoice, line, index) for index, line in enumerate(given)]


def _line(call: Call, invoice: Body, given: Body, index: int) -> Body:
    known: Body = {}
    if given["type"] == "invoice_line_item":
        name = f"lines[{index}][invoice_line_item]"
        found = documents.named(call, invoice_lines.LINE, "line item", given.get("invoice_line_item", ""), name)
        if found.lookup != invoice["id"]:
            raise StripeError(400, "The line is not of this invoice.", param=name)
        known = found.body
    quantity = given.get("quantity", known.get("quantity", 1))
    unit = given.get("unit_amount")
    amount = given.get("amount", unit * quantity if unit is not None else known.get("amount"))
    if amount is None or amount <= 0:
        raise StripeError(400, "A credit note line needs an amount over 0.", param=f"lines[{index}][amount]")
    line: Body = {
        "id": stripe_id("cnli"), "object": "credit_note_line_item", "amount": amount,
        "description": given.get("description") or known.get("description"), "discount_amount": 0,
        "discount_amounts": [], "livemode": call.tenant.live, "metadata": {}, "pretax_credit_amounts": [],
        "quantity": quantity, "tax_rates": [], "taxes": [], "type": given["type"], "unit_amount": unit,
        "unit_amount_decimal": None if unit is None else str(unit),
    }  # fmt: skip
    return {**line, "invoice_line_item": known["id"]} if known else line


def _check_amounts(params: Body, invoice: Body, amount: int, after: int) -> None:
    """Refuses more than the invoice came to, and a part after the payment that does not say where it goes."""
    gone = invoice["pre_payment_credit_notes_amount"] + invoice["post_payment_credit_notes_amount"]
    if not 0 < amount <= invoice["total"] - gone:
        left = currencies.shown(invoice["total"] - gone, invoice["currency"])
        raise StripeError(400, f"The credit note must be over more than 0 and at most {left}.", param="amount")
    named = sum(params.get(name, 0) for name in ("refund_amount", "credit_amount", "out_of_band_amount"))
    named += sum(refund.get("amount_refunded", 0) for refund in params.get("refunds") or [])
    if named != after:
        message = (
            "The sum of credit_amount, refund_amount, out_of_band_amount and refunds must equal the post payment "
            f"amount of the credit note: {named} is not {after}."
        )
        raise StripeError(400, message, param="refund_amount")


def _given_back(call: Call, found: Document, note: Body) -> Body:
    """What goes back to the customer: to the card, to the balance, or by refunds that are there already."""
    params, result = call.params, []
    for given in params.get("refunds") or []:
        documents.named(call, refunds.KIND, refunds.KIND, given.get("refund", ""), "refunds")
        result.append((given["refund"], given.get("amount_refunded", 0)))
    if params.get("refund_amount"):
        charge = _charge(call, found.id)
        result.append((refunds.make(call, charge, params["refund_amount"])["id"], params["refund_amount"]))
    changed: Body = {
        "refunds": [
            {"amount_refunded": amount, "payment_record_refund": None, "refund": id, "type": "refund"}
            for id, amount in result
        ]
    }  # fmt: skip
    if params.get("credit_amount"):
        moved = balances.change(
            call, note["customer"], -params["credit_amount"], "credit_note", note["currency"], credit_note=note["id"],
            invoice=found.id,
        )  # fmt: skip
        changed["customer_balance_transaction"] = moved["id"]
    return changed


def _charge(call: Call, invoice: str) -> Document:
    """The charge that paid the invoice last."""
    where = "lookup=? AND json_extract(body, '$.status')='paid'"
    paid = call.world.store.select(call.scope, invoice_payments.KIND, where, [invoice], "seq DESC", 1)
    if not paid:
        message = "The invoice was not paid by a charge: there is nothing to refund."
        raise StripeError(400, message, param="refund_amount")
    intent = documents.named(
        call, payments.INTENT, payments.INTENT, paid[0].body["payment"]["payment_intent"], "invoice"
    )
    return documents.named(call, payments.CHARGE, payments.CHARGE, intent.body["latest_charge"], "invoice")


def _lower(call: Call, found: Document, before: int, after: int) -> None:
    old, now = found.body, int(call.world.clock.now())
    new = {
        **old, "amount_due": old["amount_due"] - before, "amount_remaining": old["amount_remaining"] - before,
        "pre_payment_credit_notes_amount": old["pre_payment_credit_notes_amount"] + before,
        "post_payment_credit_notes_amount": old["post_payment_credit_notes_amount"] + after,
    }  # fmt: skip
    events = ["invoice.updated"]
    if new["amount_remaining"] == 0 and old["status"] in ("open", "uncollectible"):
        new |= {"status": "paid", "status_transitions": {**old["status_transitions"], "paid_at": now}}
        events.append("invoice.paid")
    invoices.emitted(call, found, new, *events)


def void(call: Call) -> Body:
    """POST /v1/credit_notes/{id}/void: of an open invoice alone, which asks for the whole again."""
    old = documents.present(call, KIND, NOUN)
    found = documents.named(call, invoices.KIND, invoices.KIND, old.body["invoice"], "invoice")
    if old.body["status"] == "void" or found.body["status"] != "open":
        raise StripeError(400, "You can only void an issued credit note of an open invoice.")
    new = {**old.body, "status": "void", "voided_at": int(call.world.clock.now())}
    documents.change(call, old, new, event="credit_note.voided")
    _lower(call, found, -old.body["pre_payment_amount"], 0)
    return new


def update(call: Call) -> Body:
    """POST /v1/credit_notes/{id}: memo and metadata."""
    old = documents.present(call, KIND, NOUN)
    new = dict(old.body)
    if "memo" in call.params:
        new["memo"] = call.params["memo"] or None
    if "metadata" in call.params:
        new["metadata"] = merged_metadata(old.body["metadata"], call.params["metadata"])
    return documents.change(call, old, new, event="credit_note.updated")


def retrieve(call: Call) -> Body:
    """GET /v1/credit_notes/{id}."""
    return documents.present(call, KIND, NOUN).body


def listed(call: Call) -> Body:
    """GET /v1/credit_notes, by invoice and customer."""
    where, values = lists.created_range(call.params.get("created"))
    for name in ("invoice", "customer"):
        if call.params.get(name):
            where.append(f"json_extract(body, '$.{name}')=?")
            values.append(call.params[name])
    return documents.page(call, KIND, NOUN, "/v1/credit_notes", where, values)


def listed_lines(call: Call) -> Body:
    """GET /v1/credit_notes/{id}/lines."""
    documents.present(call, KIND, NOUN)
    lines = documents.hidden(call, call.id)["lines"]
    return lists.sliced(call, lines, "line item", f"/v1/credit_notes/{call.id}/lines")
