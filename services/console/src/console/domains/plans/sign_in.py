"""Signing in: who gets mail at an account's address sees the account's offers."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from shared.connections import FlowLink, portal_keys
from shared.domains.plans.sign_in import FLOW, GOOD_FOR, TRIGGER, SignInRequest
from shared.identity import Ref
from shared.linking.index import normalized_email
from shared.log import get_logger
from shared.sealed_addresses import Expired, Named, NoToken, SealedAddresses
from shared.sealed_texts import SIGN_IN_REQUESTS, SIGN_IN_TOKENS, SIGNED_IN, TextSeal
from sqlmodel import Session

from console.api.requests import append, event_about, new_id
from console.api.state import State, StateDep
from console.domains.plans import offers, used
from console.domains.plans.tokens import Tokens
from console.portal.pages import GONE, NOWHERE, plain, rendered
from console.projection import queries

STAYS = 3600
"""Seconds for which a person who has signed in sees the account's offers."""
LONGEST_ADDRESS = 254
"""RFC 5321, 4.5.3.1.3, as erratum 1690 has it."""
ADDRESS = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")
"""What looks like one address, and cannot be read as several by a mail server."""
SENT = "If an account has this address, a mail with a link is on its way to it. The link holds for 15 minutes."
OFTEN = (429, "Please wait", "Too many mails were asked for. Try again in ten minutes.")
OFF = (404, "There is no sign-in here", "Use the address that you were sent, or ask whoever sent it to you.")
USED = (410, "This link was used or has expired", "Ask for a new one on the sign-in page.")

log = get_logger(__name__)
router = APIRouter(prefix="/portal", include_in_schema=False)


@router.get("/sign-in")
async def form(state: StateDep) -> HTMLResponse:
    """Where an address is typed."""
    links = await asyncio.to_thread(_links, state)
    return rendered("sign_in.html", view="ask") if links else plain(*OFF)


@router.post("/sign-in")
async def ask(state: StateDep, email: Annotated[str, Form(max_length=1000)] = "") -> HTMLResponse:
    """The same answer whoever is asked for: nobody learns who has an account here."""
    links = await asyncio.to_thread(_links, state)
    if not links:
        return plain(*OFF)
    address = email.strip()
    if not ADDRESS.fullmatch(address) or len(address) > LONGEST_ADDRESS:
        return rendered("sign_in.html", 400, view="ask", wrong="That is no e-mail address.")
    if not await state.sign_ins.take(normalized_email(address)):
        log.warning("portal.sign_in_limited")
        return plain(*OFTEN)
    for link, app_account in links:
        await _request(state, link, app_account, address)
    return rendered("sign_in.html", view="sent", sent=SENT)


async def _request(state: State, link: FlowLink, app_account: str, address: str) -> None:
    sealed, number = TextSeal(portal_keys(state.settings), SIGN_IN_REQUESTS).seal(address), new_id()
    wanted = SignInRequest(number=number, address=sealed, ends=int(time.time()) + GOOD_FOR, flow_link=link.id)
    about = str(Ref(app_account, "sign_in", number))
    await append(state, event_about(about, TRIGGER.name, wanted, link.connections[TRIGGER.app]), link.id)


def _links(state: State) -> list[tuple[FlowLink, str]]:
    """The flow links that mail, one for each organization, with its app account."""
    with Session(state.database.engine) as session:
        known = {connection.id: connection for connection in queries.connections(session)}
        found = {
            known[at].app_account: link
            for link in queries.flow_links(session)
            if link.flow == FLOW.id and link.enabled and (at := link.connections.get(TRIGGER.app, "")) in known
        }
    return [(link, app_account) for app_account, link in found.items()]


@router.get("/sign-in/{token}")
async def confirm(state: StateDep, token: str) -> HTMLResponse:
    """A button: programs that look at mails open every address in them, and use none up."""
    found = _opened(state, SIGN_IN_TOKENS, token, USED)
    return found if isinstance(found, HTMLResponse) else rendered("sign_in.html", view="confirm")


@router.post("/sign-in/{token}")
async def enter(state: StateDep, token: str) -> Response:
    """Once: then it leads to the account's offers."""
    found = _opened(state, SIGN_IN_TOKENS, token, USED)
    if isinstance(found, HTMLResponse):
        return found
    if not await asyncio.to_thread(used.take, state.database.engine, found.number, found.ends):
        return plain(*USED)
    log.info("portal.signed_in", account=str(found.entity))
    own = SealedAddresses(state.settings, SIGNED_IN).token(found.entity, time.time() + STAYS)
    return RedirectResponse(f"/portal/offers/{own}", 303, headers={"Referrer-Policy": "no-referrer"})


@router.get("/offers/{token}")
async def account_page(state: StateDep, token: str) -> HTMLResponse:
    """The offers of one account, each with its own page."""
    found = _opened(state, SIGNED_IN, token, GONE)
    if isinstance(found, HTMLResponse):
        return found
    return rendered("sign_in.html", view="offers", offers=await asyncio.to_thread(_offers, state, found.entity))


def _opened(state: State, purpose: str, token: str, over: tuple[int, str, str]) -> Named | HTMLResponse:
    """What a token holds, else the page that says why it opens nothing: `over` for one whose time is over."""
    try:
        return SealedAddresses(state.settings, purpose).open(token)
    except Expired:
        return plain(*over)
    except NoToken:
        return plain(*NOWHERE)


def _offers(state: State, account: Ref) -> list[tuple[offers.Shown, str]]:
    """What is shown of each, the open ones first, and its page, as long as the sign-in holds."""
    tokens = Tokens(state.settings)
    with Session(state.database.engine) as session:
        found = [(offer, offers.shown(session, offer)) for offer in offers.of_account(session, account)]
    shown = [(view, tokens.address(offer, STAYS)) for offer, view in found if view]
    return sorted(shown, key=lambda one: (one[0].state != "open", one[0].name))
