"""Stripe's payment methods, as far as a customer has one on file: test cards that pay, and one that is declined."""

from __future__ import annotations

from typing import Any, Literal

from sandbox.identifiers import stripe_id
from sandbox.stripe_api import documents
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import missing_object

KIND, NOUN = "payment_method", "PaymentMethod"
Body = dict[str, Any]
Outcome = Literal["succeeded", "failed", "action", "processing"]
METHODS: dict[str, tuple[str, Outcome]] = {
    "pm_card_visa": ("4242", "succeeded"), "pm_card_chargeCustomerFail": ("0341", "failed"),
    "pm_card_authenticationRequired": ("3184", "action"), "pm_usBankAccount_success": ("6789", "processing"),
}  # fmt: skip
"""Stripe's test methods that are served: last digits, and what becomes of a charge: `action` is one that the customer
has to authenticate (source: Stripe docs, testing).
"""
_EMPTY = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def attach(call: Call) -> Body:
    """POST /v1/payment_methods/{id}/attach: of a test card, which gets an id of its own by that."""
    documents.named(call, "customer", "customer", call.params.get("customer") or "", "customer")
    if call.id not in METHODS:
        raise missing_object(NOUN, call.id)
    return documents.add(call, _made(call, call.id, call.params["customer"]), lookup=call.params["customer"],
                         event="payment_method.attached")  # fmt: skip


def of_test_card(call: Call, name: str) -> str:
    """The id of a method made for one payment: nobody keeps it on file."""
    found: str = documents.add(call, _made(call, name, None))["id"]
    return found


def _made(call: Call, name: str, customer: str | None) -> Body:
    body: Body = {
        "id": stripe_id("pm"), "object": KIND, "allow_redisplay": "unspecified",
        "billing_details": {"address": _EMPTY, "email": None, "name": None, "phone": None, "tax_id": None},
        "created": int(call.world.clock.now()), "customer": customer, "customer_account": None,
        "livemode": call.tenant.live, "metadata": {}, **_details(name),
    }  # fmt: skip
    documents.hide(call, body["id"], outcome=METHODS[name][1])
    return body


def _details(name: str) -> Body:
    last4, outcome = METHODS[name]
    if outcome == "processing":
        bank = {
            "account_holder_type": "company", "account_type": "checking", "bank_name": "STRIPE TEST BANK",
            "financial_connections_account": None, "fingerprint": "sandboxFingerprt", "last4": last4,
            "networks": {"preferred": "ach", "supported": ["ach"]}, "routing_number": "110000000",
            "status_details": {},
        }  # fmt: skip
        return {"type": "us_bank_account", "us_bank_account": bank}
    card = {
        "brand": "visa", "checks": {"address_line1_check": None, "address_postal_code_check": None,
                                    "cvc_check": "pass"},
        "country": "US", "display_brand": "visa", "exp_month": 12, "exp_year": 2034,
        "fingerprint": "sandboxFingerprt", "funding": "credit", "generated_from": None, "last4": last4,
        "networks": {"available": ["visa"], "preferred": None}, "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True}, "wallet": None,
    }  # fmt: skip
    return {"type": "card", "card": card}


def retrieve(call: Call) -> Body:
    """GET /v1/payment_methods/{id}."""
    return documents.present(call, KIND, NOUN).body


def check_usable(call: Call, id: str, customer: str, param: str) -> None:
    """Refuses a payment method that is none of the customer's."""
    found = call.world.store.get(call.scope, KIND, id)
    if found is None or found.body["customer"] != customer:
        raise missing_object(NOUN, id, param=param, status=400)


def outcome(call: Call, id: str) -> Outcome:
    """What becomes of a charge of it."""
    found: Outcome = documents.hidden(call, id).get("outcome", "failed")
    return found
