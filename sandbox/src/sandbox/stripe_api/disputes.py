"""Stripe's disputes: a bank takes the money of a charge back, and gives it again to who wins."""

from __future__ import annotations

from typing import Any, Literal, get_args

from sandbox.identifiers import stripe_id
from sandbox.store import Document
from sandbox.stripe_api import documents, lists, payments
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.events import emit

KIND = "dispute"
FEE = 1500
DAYS_TO_ANSWER = 7
CLOSED = ("won", "lost")
Outcome = Literal["won", "lost"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Body = dict[str, Any]
_EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier",
    "shipping_date", "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip


class Impossible(ValueError):
    """What no bank could do with this charge."""


def act(call: Call, charge: str, outcome: Outcome | None) -> Body:
    """What the payer's bank does: the first call disputes a charge, the second closes it with an outcome."""
    found = call.world.store.get(call.scope, payments.CHARGE, charge)
    if found is None or found.deleted:
        raise LookupError(f"no charge {charge!r}")
    known = call.world.store.select(call.scope, KIND, "lookup=?", [charge], "seq DESC", 1)
    if known and known[0].body["status"] not in CLOSED:
        if outcome is None:
            raise Impossible(f"{known[0].id} is open already: give an outcome, which closes it")
        return _close(call, known[0], outcome)
    if known:
        raise Impossible(f"{known[0].id} is {known[0].body['status']}: a charge is disputed once")
    made = _open(call, found)
    return made if outcome is None else _close(call, documents.named(call, KIND, KIND, made["id"], "dispute"), outcome)


def _open(call: Call, charge: Document) -> Body:
    """The bank takes back what was not refunded: "charge.dispute.created" and "charge.dispute.funds_withdrawn"."""
    body, now = charge.body, int(call.world.clock.now())
    amount = body["amount"] - body["amount_refunded"]
    if body["status"] != "succeeded" or amount <= 0:
        raise Impossible(f"the charge {charge.id} is {body['status']}, with {amount} left: there is nothing to dispute")
    id = stripe_id("du")
    dispute: Body = {
        "id": id, "object": KIND, "amount": amount,
        "balance_transactions": [_moved(call, id, body["currency"], -amount, FEE)], "charge": charge.id,
        "created": now, "currency": body["currency"], "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + DAYS_TO_ANSWER * 86_400, "enhanced_eligibility": {}, "has_evidence": False,
            "past_due": False, "submission_count": 0,
        },
        "is_charge_refundable": False, "livemode": call.tenant.live, "metadata": {},
        "payment_intent": body["payment_intent"],
        "payment_method_details": {
            "type": "card", "card": {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"},
        },
        "reason": "fraudulent", "status": "needs_response",
    }  # fmt: skip
    documents.change(call, charge, {**body, "disputed": True}, event="charge.updated")
    documents.add(call, dispute, lookup=charge.id, event="charge.dispute.created")
    emit(call, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def _close(call: Call, old: Document, outcome: Outcome) -> Body:
    """ "charge.dispute.closed"; who won has the money again: "charge.dispute.funds_reinstated"."""
    body = old.body
    new = {**body, "status": outcome}
    if outcome == "won":
        again = _moved(call, old.id, body["currency"], body["amount"], 0)
        new["balance_transactions"] = [*body["balance_transactions"], again]
    documents.change(call, old, new, event="charge.dispute.closed")
    if outcome == "won":
        emit(call, "charge.dispute.funds_reinstated", new)
    return new


def _moved(call: Call, dispute: str, currency: str, amount: int, fee: int) -> Body:
    now = int(call.world.clock.now())
    details = [{"amount": fee, "application": None, "currency": currency, "description": "Dispute fee",
                "type": "stripe_fee"}] if fee else []  # fmt: skip
    return {
        "id": stripe_id("txn"), "object": "balance_transaction", "amount": amount, "available_on": now,
        "balance_type": "payments", "created": now, "currency": currency, "description": None, "exchange_rate": None,
        "fee": fee, "fee_details": details, "net": amount - fee,
        "reporting_category": "dispute" if amount < 0 else "dispute_reversal", "source": dispute,
        "status": "available", "type": "adjustment",
    }  # fmt: skip


def close(call: Call) -> Body:
    """POST /v1/disputes/{id}/close: who does not answer has lost."""
    old = documents.present(call, KIND, KIND)
    if old.body["status"] in CLOSED:
        raise StripeError(400, f"This dispute is already closed: it is {old.body['status']}.")
    return _close(call, old, "lost")


def retrieve(call: Call) -> Body:
    """GET /v1/disputes/{id}."""
    return documents.present(call, KIND, KIND).body


def listed(call: Call) -> Body:
    """GET /v1/disputes, by charge and payment intent."""
    where, values = lists.created_range(call.params.get("created"))
    for name in ("charge", "payment_intent"):
        if call.params.get(name):
            where.append(f"json_extract(body, '$.{name}')=?")
            values.append(call.params[name])
    return documents.page(call, KIND, KIND, "/v1/disputes", where, values)
