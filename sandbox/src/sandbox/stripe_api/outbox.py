"""The mails that Stripe would send: in test mode it sends none, and nor does the sandbox. It keeps them to be read."""

from __future__ import annotations

from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.stripe_api import documents
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.currencies import shown

KIND = "mail"
Body = dict[str, Any]


def post(call: Call, invoice: Body) -> None:
    """A mail with the invoice's page, to the address that the customer had when it was finalized."""
    amount = shown(invoice["amount_remaining"], invoice["currency"])
    _post(call, invoice, f"Invoice {invoice['number']}: {amount}", invoice["hosted_invoice_url"])


def post_note(call: Call, invoice: Body, note: Body) -> None:
    """A mail with a credit note."""
    _post(call, invoice, f"Credit note {note['number']}: {shown(note['amount'], note['currency'])}", note["pdf"])


def _post(call: Call, invoice: Body, subject: str, url: str) -> None:
    documents.add(call, {
        "id": stripe_id("mail"), "object": KIND, "to": invoice["customer_email"], "invoice": invoice["id"],
        "subject": subject, "url": url, "created": int(call.world.clock.now()),
    }, lookup=invoice["id"])  # fmt: skip
