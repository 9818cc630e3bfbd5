"""What Stripe collects by itself: an invoice that is charged automatically, by the method that its customer has."""

from __future__ import annotations

from typing import Any

from sandbox.stripe_api import customers, documents, invoice_payments, invoices, payment_methods
from sandbox.stripe_api.calls import Call

Body = dict[str, Any]


def finalize(call: Call) -> Body:
    """POST /v1/invoices/{id}/finalize: the answer is the open invoice; events report what is charged."""
    body = invoices.finalize(call)
    if body["status"] == "open" and body["auto_advance"] and body["collection_method"] == "charge_automatically":
        _charge(call, body)
    return body


def _charge(call: Call, invoice: Body) -> None:
    """The first attempt; without a method it fails too (source: Stripe docs, types of events)."""
    customer = documents.named(call, customers.KIND, customers.KIND, invoice["customer"], "customer").body
    method = customer["invoice_settings"]["default_payment_method"]
    if method is None:
        found = documents.named(call, invoices.KIND, invoices.KIND, invoice["id"], "invoice")
        new = {**found.body, "attempted": True, "attempt_count": found.body["attempt_count"] + 1}
        invoices.emitted(call, found, new, "invoice.updated", "invoice.payment_failed")
        return
    outcome = payment_methods.outcome(call, method)
    invoice_payments.pay_as(call, invoice["id"], "failed" if outcome == "action" else outcome, None)
