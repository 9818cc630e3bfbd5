"""Stripe's payment intents and charges, as far as something that was paid shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.identifiers import random_text, stripe_id
from sandbox.store import Document
from sandbox.stripe_api import documents, lists
from sandbox.stripe_api.calls import Call

INTENT, CHARGE = "payment_intent", "charge"
Body = dict[str, Any]
_CARD: Body = {
    "amount_authorized": None, "authorization_code": None, "brand": "visa",
    "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}, "country": "US",
    "exp_month": 12, "exp_year": 2034, "fingerprint": "sandboxFingerprt", "funding": "credit", "installments": None,
    "last4": "4242", "mandate": None, "network": "visa", "network_token": {"used": False},
    "network_transaction_id": "100000000000000", "regulated_status": "unregulated", "three_d_secure": None,
    "wallet": None,
}  # fmt: skip
_BANK: Body = {
    "account_holder_type": "company", "account_type": "checking", "bank_name": "STRIPE TEST BANK",
    "fingerprint": "sandboxFingerprt", "last4": "6789", "payment_reference": None,
    "routing_number": "110000000",
}  # fmt: skip
_DECLINED = "Your card was declined."
_RETURNED = "The bank account has insufficient funds."


@dataclass(frozen=True)
class Payer:
    """Who pays, as the payment page learns it."""

    email: str | None = None
    name: str | None = None

    def billing_details(self) -> Body:
        """What a charge says of the payer."""
        address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
        return {"address": address, "email": self.email, "name": self.name, "phone": None, "tax_id": None}


def open_intent(call: Call, amount: int, currency: str, *, customer: str | None, later: bool, **more: Any) -> Body:
    """A new payment intent: "payment_intent.created". `later` is a bank debit, which succeeds or fails days later."""
    id = stripe_id("pi")
    body: Body = {
        "id": id, "object": INTENT, "amount": amount, "amount_capturable": 0, "amount_details": {"tip": {}},
        "amount_received": 0, "application": None, "application_fee_amount": None, "automatic_payment_methods": None,
        "canceled_at": None, "cancellation_reason": None, "capture_method": "automatic_async",
        "client_secret": f"{id}_secret_{random_text(25)}", "confirmation_method": "automatic",
        "created": int(call.world.clock.now()), "currency": currency, "customer": customer, "customer_account": None,
        "description": None, "excluded_payment_method_types": None, "last_payment_error": None, "latest_charge": None,
        "livemode": call.tenant.live, "metadata": {}, "next_action": None, "on_behalf_of": None,
        "payment_method": None, "payment_method_configuration_details": None, "payment_method_options": {},
        "payment_method_types": ["us_bank_account" if later else "card"], "processing": None, "receipt_email": None,
        "review": None, "setup_future_usage": None, "shipping": None, "statement_descriptor": None,
        "statement_descriptor_suffix": None, "status": "requires_payment_method", "transfer_data": None,
        "transfer_group": None, **more,
    }  # fmt: skip
    return documents.add(call, body, lookup=customer, event="payment_intent.created")


def succeed(call: Call, intent: str, payer: Payer) -> Body:
    """The money is there: a succeeded charge and a succeeded intent."""
    old = _intent(call, intent)
    charge = _charged(call, old.body, payer, status="succeeded")
    received = {
        "status": "succeeded", "amount_received": old.body["amount"], "latest_charge": charge["id"],
        "payment_method": charge["payment_method"], "processing": None, "last_payment_error": None,
        "next_action": None,
    }  # fmt: skip
    return documents.change(call, old, {**old.body, **received}, event="payment_intent.succeeded")


def process(call: Call, intent: str, payer: Payer) -> Body:
    """A bank debit is under way: a pending charge and a processing intent."""
    old = _intent(call, intent)
    charge = _charged(call, old.body, payer, status="pending")
    under_way = {
        "status": "processing", "latest_charge": charge["id"], "payment_method": charge["payment_method"],
    }  # fmt: skip
    return documents.change(call, old, {**old.body, **under_way}, event="payment_intent.processing")


def fail(call: Call, intent: str, payer: Payer, *, method: Body | None = None, code: str = "") -> Body:
    """The card was declined, or the bank debit came back: a failed charge; the intent waits for another try. `method`
    is the payment method, where it is on file.
    """
    old = _intent(call, intent)
    later = old.body["status"] == "processing"
    charge = _charged(call, old.body, payer, status="failed")
    error = {
        "charge": charge["id"], "code": charge["failure_code"], "message": charge["failure_message"],
        "type": "invalid_request_error" if later else "card_error",
        **({} if later else {"decline_code": "generic_decline", "doc_url": _url(charge["failure_code"])}),
    }  # fmt: skip
    if method:
        error |= {"payment_method": method}
    if code == "authentication_required":
        words = "Your card was declined. This transaction requires authentication."
        error |= {"code": code, "decline_code": code, "message": words, "doc_url": _url(code)}
    failed = {
        "status": "requires_payment_method", "latest_charge": charge["id"], "last_payment_error": error,
        "processing": None, "next_action": None, **({"payment_method": None} if method else {}),
    }  # fmt: skip
    return documents.change(call, old, {**old.body, **failed}, event="payment_intent.payment_failed")


def cancel(call: Call, intent: str, reason: str | None) -> Body:
    """Nobody will pay this any more."""
    old = _intent(call, intent)
    gone = {"status": "canceled", "canceled_at": int(call.world.clock.now()), "cancellation_reason": reason}
    return documents.change(call, old, {**old.body, **gone}, event="payment_intent.canceled")


def _url(code: str) -> str:
    return f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}"


def _intent(call: Call, id: str) -> Document:
    return documents.named(call, INTENT, INTENT, id, "payment_intent")


def _charged(call: Call, intent: Body, payer: Payer, *, status: str) -> Body:
    """The charge of this try, or the pending one as it ends."""
    event = f"charge.{status}"
    pending = call.world.store.get(call.scope, CHARGE, intent["latest_charge"] or "")
    if pending and pending.body["status"] == "pending":
        return documents.change(call, pending, {**pending.body, **_result(pending.body, status)}, event=event)
    later = intent["payment_method_types"] == ["us_bank_account"]
    kind, details = ("us_bank_account", _BANK) if later else ("card", _CARD)
    body: Body = {
        "id": stripe_id("py" if later else "ch"), "object": CHARGE, "amount": intent["amount"], "amount_captured": 0,
        "amount_refunded": 0, "application": None, "application_fee": None, "application_fee_amount": None,
        "billing_details": payer.billing_details(), "calculated_statement_descriptor": "SANDBOX", "captured": False,
        "created": int(call.world.clock.now()), "currency": intent["currency"], "customer": intent["customer"],
        "description": intent["description"], "disputed": False, "failure_balance_transaction": None,
        "fraud_details": {}, "livemode": call.tenant.live, "metadata": intent["metadata"], "on_behalf_of": None,
        "payment_intent": intent["id"], "payment_method": intent["payment_method"] or stripe_id("pm"),
        "payment_method_details": {"type": kind, kind: details}, "radar_options": {},
        "receipt_email": intent["receipt_email"], "receipt_number": None, "receipt_url": None, "refunded": False,
        "review": None, "shipping": None, "source": None, "source_transfer": None, "statement_descriptor": None,
        "statement_descriptor_suffix": None, "transfer_data": None, "transfer_group": intent["transfer_group"],
    }  # fmt: skip
    return documents.add(call, {**body, **_result(body, status)}, lookup=intent["id"], event=event)


def _result(charge: Body, status: str) -> Body:
    """What of a charge tells how it ended."""
    later, good = charge["payment_method_details"]["type"] != "card", status == "succeeded"
    failed = status == "failed"
    return {
        "status": status, "paid": status != "failed" and (good or later), "captured": not failed,
        "amount_captured": 0 if failed else charge["amount"],
        "balance_transaction": charge.get("balance_transaction") or (None if failed else stripe_id("txn")),
        "failure_code": None if not failed else "insufficient_funds" if later else "card_declined",
        "failure_message": None if not failed else _RETURNED if later else _DECLINED,
        "outcome": _outcome(failed=failed, later=later),
    }  # fmt: skip


def _outcome(*, failed: bool, later: bool) -> Body:
    declined = failed and not later
    return {
        "advice_code": None, "network_advice_code": None, "network_decline_code": None,
        "network_status": "declined_by_network" if declined else "approved_by_network",
        "reason": "generic_decline" if declined else None, "risk_level": "normal", "risk_score": 20,
        "seller_message": "The bank did not return any further details with this decline." if declined else
        "Payment complete.", "type": "issuer_declined" if declined else "authorized",
    }  # fmt: skip


def retrieve_intent(call: Call) -> Body:
    """GET /v1/payment_intents/{id}."""
    return documents.present(call, INTENT, INTENT).body


def list_intents(call: Call) -> Body:
    """GET /v1/payment_intents, by customer and created time."""
    where, values = lists.created_range(call.params.get("created"))
    if call.params.get("customer"):
        where.append("lookup=?")
        values.append(call.params["customer"])
    return documents.page(call, INTENT, INTENT, "/v1/payment_intents", where, values)


def retrieve_charge(call: Call) -> Body:
    """GET /v1/charges/{id}."""
    return documents.present(call, CHARGE, CHARGE).body


def list_charges(call: Call) -> Body:
    """GET /v1/charges, by customer, payment intent, transfer group and created time."""
    where, values = lists.created_range(call.params.get("created"))
    for name in ("customer", "payment_intent", "transfer_group"):
        if call.params.get(name):
            where.append(f"json_extract(body, '$.{name}')=?")
            values.append(call.params[name])
    return documents.page(call, CHARGE, CHARGE, "/v1/charges", where, values)
