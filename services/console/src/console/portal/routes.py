"""The routes of the public page: the token in the address is all that a visitor has, and all that is looked at."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from shared.connections import portal_keys
from shared.domains.plans.sessions import ACTION, TRIGGER, SessionRequest
from shared.flows.runs import Run
from shared.identity import Ref
from shared.log import get_logger
from shared.sealed_addresses import Expired, NoToken
from shared.sealed_texts import CHECKOUT_SECRETS, TextSeal
from sqlmodel import Session

from console.api.requests import append, event_about
from console.api.state import State, StateDep
from console.portal import offers
from console.portal.offers import Shown
from console.portal.pages import GONE, HEADERS, HERE, NOWHERE, plain, refused, rendered
from console.portal.tokens import Tokens
from console.projection import queries

ASSETS = {"portal.css": "text/css", "portal.js": "text/javascript", "invoice.js": "text/javascript"}

OFTEN = (429, "The payment form was asked for too often", "Try again in ten minutes, or pay on Stripe's page.")

log = get_logger(__name__)
router = APIRouter(prefix="/portal", include_in_schema=False)


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """Style and script."""
    if name not in ASSETS:
        return Response(status_code=404)
    return FileResponse(HERE / "static" / name, media_type=ASSETS[name], headers={"Cache-Control": "no-cache"})


@router.get("/{token}")
async def page(state: StateDep, token: str) -> HTMLResponse:
    """What is bought, and paying it; once it is paid, that it is."""
    return await _page(state, token, "")


@router.get("/{token}/done")
async def done(state: StateDep, token: str) -> HTMLResponse:
    """The customer comes back from a checkout: the payment's event may be still on its way to us."""
    return await _page(state, token, "done")


@router.get("/{token}/cancel")
async def cancel(state: StateDep, token: str) -> HTMLResponse:
    """The customer does not pay now."""
    return await _page(state, token, "cancel")


async def _page(state: State, token: str, place: str) -> HTMLResponse:
    try:
        offer = Tokens(state.settings).offer_of(token)
        shown = await asyncio.to_thread(_shown, state, offer)
    except Expired:
        return plain(*GONE)
    except NoToken:
        return plain(*NOWHERE)
    if shown is None:
        return plain(*NOWHERE)
    view = place if place and shown.state == "open" else shown.state
    hosts = shown.till.hosts if shown.till and view == "open" else {}
    return rendered("offer.html", hosts=hosts, offer=shown, view=view, here=f"/portal/{token}")


def _shown(state: State, offer: Ref) -> Shown | None:
    with Session(state.database.engine) as session:
        return offers.shown(session, offer)


@router.get("/{token}/state")
async def follow(state: StateDep, token: str, run: str = "") -> Response:
    """How the offer stands now; with the run that a request for a session started, what that needs to be shown."""
    try:
        offer = Tokens(state.settings).offer_of(token)
    except Expired:
        return refused(GONE, "expired")
    except NoToken:
        return refused(NOWHERE, "not_found")
    found = await asyncio.to_thread(_followed, state, offer, run)
    return refused(NOWHERE, "not_found") if found is None else JSONResponse(found, headers=HEADERS)


def _followed(state: State, offer: Ref, run: str) -> dict[str, Any] | None:
    with Session(state.database.engine) as session:
        shown = offers.shown(session, offer)
        asked = queries.run(session, run) if run else None
    if shown is None:
        return None
    found: dict[str, Any] = {"state": shown.state}
    # A run of another offer is none to this visitor.
    if shown.state == "open" and asked and asked.aggregate == str(offer) and asked.event_type == TRIGGER.name:
        found |= {"ended": asked.ended, "client_secret": _secret(state, asked)}
    return found


def _secret(state: State, run: Run) -> str:
    """Empty while there is no open session yet, and where none came of it."""
    seal = TextSeal(portal_keys(state.settings), CHECKOUT_SECRETS)
    for step in run.steps:
        output = step.output if step.action == ACTION.name and step.state in ("succeeded", "in_sync") else {}
        if output and output["expires_at"] > time.time():
            return seal.open(str(output["sealed"])) or ""
    return ""


@router.post("/{token}/session", status_code=202)
async def ask(request: Request, state: StateDep, token: str) -> Response:
    """A session is asked for by an event; whoever handles it makes one, or takes the one that is open."""
    tokens = Tokens(state.settings)
    try:
        offer, back = tokens.offer_of(token), tokens.return_address(token)
    except Expired:
        return refused(GONE, "expired")
    except NoToken:
        return refused(NOWHERE, "not_found")
    shown = await asyncio.to_thread(_shown, state, offer)
    if shown is None or shown.till is None:
        return refused((409, "This offer is paid by its payment link", "Load the page again."), "no_session")
    if not await state.sessions.take(str(offer)):
        log.warning("portal.sessions_limited", offer=str(offer))
        return refused(OFTEN, "too_often")
    plan, account = offers.sides(offer)
    link = shown.till.link
    wanted = SessionRequest(plan_id=plan, account_id=account, flow_link=link.id, return_url=back)
    asked = await append(state, event_about(str(offer), TRIGGER.name, wanted, link.connections[TRIGGER.app]), link.id)
    return JSONResponse({"run": asked.run}, 202, headers=HEADERS)
