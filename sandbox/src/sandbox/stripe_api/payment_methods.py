"""Stripe's payment methods, as far as a customer has one on file: test cards that pay, and one that is declined."""

from __future__ import annotations

from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.stripe_api import documents
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import missing_object

KIND, NOUN = "payment_method", "PaymentMethod"
Body = dict[str, Any]
CARDS = {"pm_card_visa": True, "pm_card_chargeCustomerFail": False}
"""Stripe's test cards that are served, and whether a charge succeeds (source: Stripe docs, testing)."""
_EMPTY = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def attach(call: Call) -> Body:
    """POST /v1/payment_methods/{id}/attach: of a test card, which gets an id of its own by that."""
    documents.named(call, "customer", "customer", call.params.get("customer") or "", "customer")
    if call.id not in CARDS:
        raise missing_object(NOUN, call.id)
    body: Body = {
        "id": stripe_id("pm"), "object": KIND, "allow_redisplay": "unspecified",
        "billing_details": {"address": _EMPTY, "email": None, "name": None, "phone": None, "tax_id": None},
        "card": {
            "brand": "visa", "checks": {"address_line1_check": None, "address_postal_code_check": None,
                                        "cvc_check": "pass"},
            "country": "US", "display_brand": "visa", "exp_month": 12, "exp_year": 2034,
            "fingerprint": "sandboxFingerprt", "funding": "credit", "generated_from": None,
            "last4": "4242" if CARDS[call.id] else "0341",
            "networks": {"available": ["visa"], "preferred": None}, "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True}, "wallet": None,
        },
        "created": int(call.world.clock.now()), "customer": call.params["customer"], "customer_account": None,
        "livemode": call.tenant.live, "metadata": {}, "type": "card",
    }  # fmt: skip
    documents.hide(call, body["id"], pays=CARDS[call.id])
    return documents.add(call, body, lookup=body["customer"], event="payment_method.attached")


def retrieve(call: Call) -> Body:
    """GET /v1/payment_methods/{id}."""
    return documents.present(call, KIND, NOUN).body


def check_usable(call: Call, id: str, customer: str, param: str) -> None:
    """Refuses a payment method that is none of the customer's."""
    found = call.world.store.get(call.scope, KIND, id)
    if found is None or found.body["customer"] != customer:
        raise missing_object(NOUN, id, param=param, status=400)


def pays(call: Call, id: str) -> bool:
    """Whether a charge of it succeeds."""
    return bool(documents.hidden(call, id).get("pays"))
