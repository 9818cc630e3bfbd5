"""The routes of an invoice's page: the token in the address is all that a visitor has, and all that is looked at."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse, Response
from shared.connections import portal_keys
from shared.domains.invoices.pages import ACTION, PLACE, TRIGGER, InvoicePages, PaymentRequest
from shared.flows.runs import Run
from shared.identity import Ref
from shared.log import get_logger
from shared.sealed_addresses import Expired, NoToken
from shared.sealed_texts import INTENT_SECRETS, TextSeal
from sqlmodel import Session

from console.api.requests import append, event_about
from console.api.state import State, StateDep
from console.portal import invoices
from console.portal.invoices import Shown
from console.portal.pages import GONE, HEADERS, NOWHERE, plain, refused, rendered
from console.projection import queries

OFTEN = (429, "The payment form was asked for too often", "Try again in ten minutes.")
NOT_NOW = (409, "This invoice cannot be paid here at present", "Load the page again.")

log = get_logger(__name__)
router = APIRouter(prefix=PLACE.rstrip("/"), include_in_schema=False)


@router.get("/{token}")
async def page(state: StateDep, token: str) -> HTMLResponse:
    """What is to be paid, and paying it; once it is paid, that it is."""
    return await _page(state, token, "")


@router.get("/{token}/done")
async def done(state: StateDep, token: str) -> HTMLResponse:
    """The customer has confirmed: the payment's event may be still on its way to us."""
    return await _page(state, token, "done")


async def _page(state: State, token: str, place: str) -> HTMLResponse:
    try:
        invoice = InvoicePages(state.settings).invoice_of(token)
        shown = await asyncio.to_thread(_shown, state, invoice)
    except Expired:
        return plain(*GONE)
    except NoToken:
        return plain(*NOWHERE)
    if shown is None:
        return plain(*NOWHERE)
    view = place if place and shown.state == "open" else shown.state
    hosts = shown.till.hosts if shown.till and view == "open" else {}
    return rendered("invoice.html", hosts=hosts, invoice=shown, view=view, here=f"{PLACE}{token}")


def _shown(state: State, invoice: Ref) -> Shown | None:
    with Session(state.database.engine) as session:
        return invoices.shown(session, invoice)


@router.get("/{token}/state")
async def follow(state: StateDep, token: str, run: str = "") -> Response:
    """How the invoice is now, and what is to be paid; with the run that a request to pay started, what that needs."""
    try:
        invoice = InvoicePages(state.settings).invoice_of(token)
    except Expired:
        return refused(GONE, "expired")
    except NoToken:
        return refused(NOWHERE, "not_found")
    found = await asyncio.to_thread(_followed, state, invoice, run)
    return refused(NOWHERE, "not_found") if found is None else JSONResponse(found, headers=HEADERS)


def _followed(state: State, invoice: Ref, run: str) -> dict[str, Any] | None:
    with Session(state.database.engine) as session:
        shown = invoices.shown(session, invoice)
        asked = queries.run(session, run) if run else None
    if shown is None:
        return None
    found: dict[str, Any] = {"state": shown.state, "amount": shown.amount}
    # A run of another invoice is none to this visitor.
    if shown.state == "open" and asked and asked.aggregate == str(invoice) and asked.event_type == TRIGGER.name:
        found |= {"ended": asked.ended, "client_secret": _secret(state, asked)}
    return found


def _secret(state: State, run: Run) -> str:
    """Empty until the intent is prepared, and where it is not."""
    seal = TextSeal(portal_keys(state.settings), INTENT_SECRETS)
    for step in run.steps:
        if step.action == ACTION.name and step.state in ("succeeded", "in_sync") and step.output:
            return seal.open(str(step.output["sealed"])) or ""
    return ""


@router.post("/{token}/session", status_code=202)
async def ask(state: StateDep, token: str) -> Response:
    """The form is asked for by an event; whoever handles it makes the intent ask for what Togai does."""
    try:
        invoice = InvoicePages(state.settings).invoice_of(token)
    except Expired:
        return refused(GONE, "expired")
    except NoToken:
        return refused(NOWHERE, "not_found")
    shown = await asyncio.to_thread(_shown, state, invoice)
    if shown is None or shown.till is None:
        return refused(NOT_NOW, "no_form")
    if not await state.sessions.take(str(invoice)):
        log.warning("portal.forms_limited", invoice=str(invoice))
        return refused(OFTEN, "too_often")
    link = shown.till.link
    wanted = PaymentRequest(invoice_id=invoice.id, flow_link=link.id)
    event = event_about(str(invoice), TRIGGER.name, wanted, link.connections[TRIGGER.app])
    return JSONResponse({"run": (await append(state, event, link.id)).run}, 202, headers=HEADERS)
