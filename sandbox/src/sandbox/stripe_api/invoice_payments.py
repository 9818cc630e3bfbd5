"""Payments of Stripe's invoices: whole, in parts, failed, under way, too much, or outside of Stripe."""

from __future__ import annotations

from typing import Any, Literal, get_args

from sandbox.identifiers import stripe_id
from sandbox.store import Document
from sandbox.stripe_api import balances, documents, invoices, lists, payments
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.events import emit
from sandbox.stripe_api.payments import Payer

KIND = "invoice_payment"
NOUN = "invoice payment"
PAYABLE = ("open", "uncollectible")
Outcome = Literal["succeeded", "failed", "processing", "overpaid"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Body = dict[str, Any]


class Impossible(ValueError):
    """What nobody could do at this invoice."""


def pay(call: Call) -> Body:
    """POST /v1/invoices/{id}/pay: outside of Stripe, for there are no payment methods here to collect by."""
    old = documents.present(call, invoices.KIND, invoices.KIND)
    if old.body["status"] == "paid":
        raise StripeError(400, "Invoice is already paid", code="invoice_already_paid")
    if old.body["status"] not in PAYABLE and old.body["status"] != "draft":
        raise StripeError(400, f"The invoice cannot be paid: it is {old.body['status']}.")
    if not call.params.get("paid_out_of_band"):
        raise StripeError(
            400,
            "There is no `default_payment_method` set on this Customer or Invoice. Please set either a "
            "`default_payment_method` on the Customer or Invoice, or pay it with `paid_out_of_band`.",
            code="resource_missing",
        )
    if old.body["status"] == "draft":
        invoices.finalize(call.having({}, call.id))
        old = documents.present(call, invoices.KIND, invoices.KIND)
    if old.body["status"] == "paid":
        return old.body
    rest = old.body["amount_remaining"]
    documents.hide(call, call.id, off_stripe=rest)
    new = {**_settled(call, old.body, rest), "attempted": True}
    return invoices.emitted(call, old, new, "invoice.updated", "invoice.paid")


def pay_as(call: Call, id: str, outcome: Outcome, amount: int | None) -> Body:
    """What a customer does at an invoice's page, or what becomes of a payment that is under way."""
    found = call.world.store.get(call.scope, invoices.KIND, id)
    if found is None or found.deleted:
        raise LookupError(f"no invoice {id!r}")
    invoice = found.body
    if invoice["status"] not in PAYABLE:
        raise Impossible(f"the invoice {id} is {invoice['status']}: it takes no payment")
    waiting = documents.hidden(call, id).get("processing")
    if waiting:
        return _finish(call, found, waiting, outcome)
    rest = invoice["amount_remaining"]
    wanted = (rest + 100 if outcome == "overpaid" else rest) if amount is None else amount
    if wanted <= 0 or (wanted > rest) != (outcome == "overpaid"):
        raise Impossible(f"{wanted} does not go with {outcome}: {rest} is open of the invoice {id}")
    payment = _attempt(call, found, wanted, later=outcome == "processing")
    payer = Payer(invoice["customer_email"], invoice["customer_name"])
    if outcome == "processing":
        payments.process(call, payment["payment"]["payment_intent"], payer)
        documents.hide(call, id, processing=payment["id"])
        return documents.change(call, found, {**invoice, "attempted": True}, event="invoice.updated")
    if outcome == "failed":
        return _failed(call, found, payment)
    return _succeeded(call, found, payment)


def _attempt(call: Call, invoice: Document, amount: int, *, later: bool) -> Body:
    """The payment of this try: the open one, with a payment intent of this amount, or a new one."""
    body, known = invoice.body, documents.hidden(call, invoice.id).get("open")
    if known:
        payment = documents.named(call, KIND, NOUN, known, "payment").body
        intent = documents.named(
            call, payments.INTENT, payments.INTENT, payment["payment"]["payment_intent"], "payment"
        )
        kind = ["us_bank_account" if later else "card"]
        documents.change(call, intent, {**intent.body, "amount": amount, "payment_method_types": kind})
        old = documents.named(call, KIND, NOUN, known, "payment")
        return documents.change(call, old, {**payment, "amount_requested": amount})
    made = payments.open_intent(
        call, amount, body["currency"], customer=body["customer"], later=later,
        description=f"Payment for Invoice {body['number']}", receipt_email=body["customer_email"],
    )  # fmt: skip
    intents = documents.hidden(call, invoice.id).get("intents", [])
    new: Body = {
        "id": stripe_id("inpay"), "object": KIND, "amount_paid": None, "amount_requested": amount,
        "created": int(call.world.clock.now()), "currency": body["currency"], "invoice": invoice.id,
        "is_default": not intents, "livemode": call.tenant.live,
        "payment": {"payment_intent": made["id"], "type": "payment_intent"}, "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }  # fmt: skip
    documents.hide(call, invoice.id, open=new["id"], intents=[*intents, made["id"]])
    return documents.add(call, new, lookup=invoice.id)


def _finish(call: Call, found: Document, waiting: str, outcome: Outcome) -> Body:
    if outcome not in ("succeeded", "failed"):
        raise Impossible(f"a payment of the invoice {found.id} is under way: it can be succeeded or failed")
    documents.hide(call, found.id, processing=None)
    payment = documents.named(call, KIND, NOUN, waiting, "payment").body
    return (_succeeded if outcome == "succeeded" else _failed)(call, found, payment)


def _failed(call: Call, found: Document, payment: Body) -> Body:
    """The money did not come: "invoice.payment_failed"; the same payment can be tried again."""
    invoice = found.body
    payer = Payer(invoice["customer_email"], invoice["customer_name"])
    payments.fail(call, payment["payment"]["payment_intent"], payer)
    new = {**invoice, "attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    return invoices.emitted(call, found, new, "invoice.updated", "invoice.payment_failed")


def _succeeded(call: Call, found: Document, payment: Body) -> Body:
    """The money is there: "invoice_payment.paid", and "invoice.paid" once nothing is open."""
    invoice, now = found.body, int(call.world.clock.now())
    payer = Payer(invoice["customer_email"], invoice["customer_name"])
    payments.succeed(call, payment["payment"]["payment_intent"], payer)
    amount = payment["amount_requested"]
    old = documents.named(call, KIND, NOUN, payment["id"], "payment")
    paid = {**payment, "amount_paid": amount, "status": "paid"}
    paid["status_transitions"] = {**payment["status_transitions"], "paid_at": now}
    documents.change(call, old, paid, event="invoice_payment.paid")
    documents.hide(call, found.id, open=None)
    over = max(0, amount - invoice["amount_remaining"])
    new = {**_settled(call, invoice, amount), "attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    whole = ("invoice.paid", "invoice.payment_succeeded") if new["status"] == "paid" else ()
    invoices.emitted(call, found, new, "invoice.updated", *whole)
    if over:
        emit(call, "invoice.overpaid", new)
        balances.change(call, new["customer"], -over, "invoice_overpaid", new["currency"], invoice=found.id)
    return new


def _settled(call: Call, invoice: Body, amount: int) -> Body:
    """An invoice of which so much more was paid."""
    rest = invoice["amount_remaining"] - amount
    new = {
        **invoice, "amount_paid": invoice["amount_paid"] + amount, "amount_remaining": max(0, rest),
        "amount_overpaid": invoice["amount_overpaid"] + max(0, -rest),
    }  # fmt: skip
    if rest > 0:
        return new
    transitions = {**invoice["status_transitions"], "paid_at": int(call.world.clock.now())}
    return {**new, "status": "paid", "status_transitions": transitions}


def attach(call: Call) -> Body:
    """POST /v1/invoices/{id}/attach_payment: a payment intent that was made elsewhere pays the invoice."""
    found = documents.present(call, invoices.KIND, invoices.KIND)
    id = call.params.get("payment_intent")
    if not id:
        raise StripeError(400, "The sandbox attaches payment intents only.", param="payment_intent")
    intent = documents.named(call, payments.INTENT, payments.INTENT, id, "payment_intent").body
    if found.body["status"] not in PAYABLE:
        raise StripeError(400, f"The invoice cannot be paid: it is {found.body['status']}.")
    if intent["currency"] != found.body["currency"] or intent["status"] != "succeeded":
        message = "The payment intent must have succeeded, in the invoice's currency."
        raise StripeError(400, message, param="payment_intent")
    if _of_intent(call, id):
        raise StripeError(400, "The payment intent is attached to an invoice already.", param="payment_intent")
    now, amount = int(call.world.clock.now()), intent["amount_received"]
    documents.add(call, {
        "id": stripe_id("inpay"), "object": KIND, "amount_paid": amount, "amount_requested": amount, "created": now,
        "currency": intent["currency"], "invoice": found.id, "is_default": False, "livemode": call.tenant.live,
        "payment": {"payment_intent": id, "type": "payment_intent"}, "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": now},
    }, lookup=found.id, event="invoice_payment.paid")  # fmt: skip
    new = _settled(call, found.body, amount)
    whole = ("invoice.paid",) if new["status"] == "paid" else ()
    return invoices.emitted(call, found, new, "invoice.updated", *whole)


def _of_intent(call: Call, intent: str) -> list[Document]:
    where = "json_extract(body, '$.payment.payment_intent')=?"
    return call.world.store.select(call.scope, KIND, where, [intent], "seq")


def embedded(call: Call, invoice: Body) -> Body:
    """An invoice's payments, as `expand` shows them."""
    found = call.world.store.select(call.scope, KIND, "lookup=?", [invoice["id"]], "seq DESC")
    data = [payment.body for payment in found]
    return {
        "object": "list", "data": data[:10], "has_more": len(data) > 10,
        "url": f"/v1/invoice_payments?invoice={invoice['id']}",
    }  # fmt: skip


def off_stripe(call: Call, invoice: Body) -> int:
    """What was paid outside of Stripe, which only `expand` shows."""
    return int(documents.hidden(call, invoice["id"]).get("off_stripe", 0))


def retrieve(call: Call) -> Body:
    """GET /v1/invoice_payments/{id}."""
    return documents.present(call, KIND, NOUN).body


def listed(call: Call) -> Body:
    """GET /v1/invoice_payments, by invoice, status and payment intent."""
    where, values = lists.created_range(call.params.get("created"))
    if call.params.get("invoice"):
        where.append("lookup=?")
        values.append(call.params["invoice"])
    if call.params.get("status"):
        where.append("json_extract(body, '$.status')=?")
        values.append(call.params["status"])
    for name, value in call.params.get("payment", {}).items():
        where.append(f"json_extract(body, '$.payment.{name}')=?")
        values.append(value)
    return documents.page(call, KIND, NOUN, "/v1/invoice_payments", where, values)
