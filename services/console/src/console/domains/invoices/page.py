"""The routes of an invoice's page."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from shared.domains.invoices.pages import ACTION, PLACE, TRIGGER, InvoicePages, PaymentRequest
from shared.identity import Ref
from shared.sealed_texts import INTENT_SECRETS

from console.api.state import StateDep
from console.domains.invoices import shown
from console.portal.public_page import PublicPage
from console.portal.till import Till

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
)

router = APIRouter(prefix=PLACE.rstrip("/"), include_in_schema=False)


@router.get("/{token}")
async def page(state: StateDep, token: str) -> HTMLResponse:
    """What is to be paid, and paying it; once it is paid, that it is."""
    return await INVOICE.page(state, token)


@router.get("/{token}/done")
async def done(state: StateDep, token: str) -> HTMLResponse:
    """The customer has confirmed: the payment's event may be still on its way to us."""
    return await INVOICE.page(state, token, "done")


@router.get("/{token}/state")
async def follow(state: StateDep, token: str, run: str = "") -> Response:
    """How the invoice is now, and what is to be paid; with the run that a request to pay started, what that needs."""
    return await INVOICE.follow(state, token, run)


@router.post("/{token}/session", status_code=202)
async def ask(state: StateDep, token: str) -> Response:
    """The form is asked for by an event; whoever handles it makes the intent ask for what Togai does."""

    def wanted(invoice: Ref, till: Till) -> PaymentRequest:
        return PaymentRequest(invoice_id=invoice.id, flow_link=till.link.id)

    return await INVOICE.ask(state, token, wanted)
