"""An invoice's page."""

from __future__ import annotations

from shared.domains.invoices.pages import ACTION, PLACE, TRIGGER, InvoicePages, PaymentRequest
from shared.sealed_texts import INTENT_SECRETS

from console.domains.invoices import shown
from console.portal.public_page import PublicPage

INVOICE = PublicPage(
    name="invoice",
    place=PLACE,
    trigger=TRIGGER,
    action=ACTION,
    purpose=INTENT_SECRETS,
    entity_of=lambda settings, token: InvoicePages(settings).invoice_of(token),
    shown=shown.shown,
    answered=lambda found: {"state": found.state, "amount": found.amount},
    no_form=(409, "This invoice cannot be paid here at present", "Load the page again."),
    no_form_code="no_form",
    too_often=(429, "The payment form was asked for too often", "Try again in ten minutes."),
    # Whoever handles it makes the intent ask for what Togai does.
    wanted=lambda _state, _token, invoice, till: PaymentRequest(invoice_id=invoice.id, flow_link=till.link.id),
    ends=("done",),
)
