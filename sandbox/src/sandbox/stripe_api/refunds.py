"""Stripe's refunds of charges; the invoice that was paid by one stays paid."""

from __future__ import annotations

from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.store import Document
from sandbox.stripe_api import currencies, documents, lists, payments
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError, missing_object
from sandbox.stripe_api.events import emit
from sandbox.stripe_api.rules import check_metadata, merged_metadata

KIND = "refund"
BECOMES = {"pending": ("succeeded", "failed", "canceled"), "succeeded": ("failed",)}
Body = dict[str, Any]


class Impossible(ValueError):
    """What cannot become of this refund."""


def check(call: Call) -> None:
    """Refuses a refund of nothing, and one of two things at once."""
    params = call.params
    check_metadata(params.get("metadata"))
    if "id" not in params and ("charge" in params) == ("payment_intent" in params):
        message = "You must specify either `charge` or `payment_intent`."
        raise StripeError(400, message, param="charge")
    if params.get("amount", 1) < 1:
        message = "This value must be greater than or equal to 1."
        raise StripeError(400, message, code="parameter_invalid_integer", param="amount")


def create(call: Call) -> Body:
    """POST /v1/refunds."""
    charge = _charge(call)
    reason, metadata = call.params.get("reason"), merged_metadata({}, call.params.get("metadata"))
    return make(call, charge, call.params.get("amount"), reason=reason, metadata=metadata)


def _charge(call: Call) -> Document:
    if call.params.get("charge"):
        return documents.named(call, payments.CHARGE, payments.CHARGE, call.params["charge"], "charge")
    id = call.params["payment_intent"]
    intent = documents.named(call, payments.INTENT, payments.INTENT, id, "payment_intent").body
    if not intent["latest_charge"]:
        raise missing_object("charge", id, param="payment_intent", status=400)
    return documents.named(call, payments.CHARGE, payments.CHARGE, intent["latest_charge"], "charge")


def make(call: Call, charge: Document, amount: int | None, **more: Any) -> Body:
    """Gives money back: "charge.refunded" and "refund.created"; raises for more than is left of the charge."""
    body = charge.body
    if body["status"] != "succeeded":
        raise StripeError(400, f"The charge {charge.id} has not succeeded and cannot be refunded.", param="charge")
    left = body["amount"] - body["amount_refunded"]
    if left == 0:
        message = f"Charge {charge.id} has already been refunded."
        raise StripeError(400, message, code="charge_already_refunded")
    given = left if amount is None else amount
    if given > left:
        asked, there = (currencies.shown(value, body["currency"]) for value in (given, left))
        message = f"Refund amount ({asked}) is greater than unrefunded amount on charge ({there})"
        raise StripeError(400, message, param="amount")
    refunded = body["amount_refunded"] + given
    new = {**body, "amount_refunded": refunded, "refunded": refunded == body["amount"]}
    refund: Body = {
        "id": stripe_id("re"), "object": KIND, "amount": given, "balance_transaction": stripe_id("txn"),
        "charge": charge.id, "created": int(call.world.clock.now()), "currency": body["currency"],
        "customer": body["customer"], "destination_details": {"type": "card", "card": {
            "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund",
        }}, "metadata": {}, "payment_intent": body["payment_intent"], "payment_method": body["payment_method"],
        "reason": None, "receipt_number": None, "source_transfer_reversal": None, "status": "succeeded",
        "transfer_reversal": None, **more,
    }  # fmt: skip
    if body["payment_method_details"]["type"] != "card":
        # A bank takes days: it comes back or arrives.
        refund |= {"status": "pending", "destination_details": {"type": "us_bank_transfer", "us_bank_transfer": {
            "reference": None, "reference_status": "pending",
        }}}  # fmt: skip
    documents.change(call, charge, new, event="charge.refunded")
    return documents.add(call, refund, lookup=charge.id, event="refund.created")


def end(call: Call, id: str, status: str) -> Body:
    """What becomes of a refund that is pending; one that succeeded may come back from the bank days later."""
    found = call.world.store.get(call.scope, KIND, id)
    if found is None:
        raise LookupError(f"no refund {id!r}")
    if status not in BECOMES.get(found.body["status"], ()):
        raise Impossible(f"the refund {id} is {found.body['status']}: it cannot become {status}")
    return _ended(call, found, status)


def _ended(call: Call, old: Document, status: str) -> Body:
    """Its money is with the charge again unless it arrived."""
    new = {**old.body, "status": status}
    if status != "succeeded":
        charge = documents.named(call, payments.CHARGE, payments.CHARGE, old.body["charge"], "charge")
        left = charge.body["amount_refunded"] - old.body["amount"]
        documents.change(call, charge, {**charge.body, "amount_refunded": left, "refunded": False})
    if status == "failed":
        new |= {"failure_reason": "unknown", "failure_balance_transaction": stripe_id("txn")}
    documents.change(call, old, new, event="refund.updated")
    emit(call, "charge.refund.updated", new)
    if status == "failed":
        emit(call, "refund.failed", new)
    return new


def update(call: Call) -> Body:
    """POST /v1/refunds/{id}: its metadata."""
    old = documents.present(call, KIND, KIND)
    if "metadata" not in call.params:
        return old.body
    new = {**old.body, "metadata": merged_metadata(old.body["metadata"], call.params["metadata"])}
    return documents.change(call, old, new, event="refund.updated")


def retrieve(call: Call) -> Body:
    """GET /v1/refunds/{id}."""
    return documents.present(call, KIND, KIND).body


def listed(call: Call) -> Body:
    """GET /v1/refunds, by charge and payment intent."""
    where, values = lists.created_range(call.params.get("created"))
    for name in ("charge", "payment_intent"):
        if call.params.get(name):
            where.append(f"json_extract(body, '$.{name}')=?")
            values.append(call.params[name])
    return documents.page(call, KIND, KIND, "/v1/refunds", where, values)
