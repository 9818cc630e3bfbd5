"""The routes of an offer's page."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from shared.domains.plans.sessions import ACTION, TRIGGER, SessionRequest
from shared.domains.plans.togai import sides_of
from shared.identity import Ref
from shared.sealed_texts import CHECKOUT_SECRETS

from console.api.state import StateDep
from console.domains.plans import offers
from console.domains.plans.tokens import Tokens
from console.portal.public_page import PublicPage
from console.portal.till import Till

OFFER = PublicPage(
    name="offer",
    place="/portal/",
    trigger=TRIGGER,
    action=ACTION,
    purpose=CHECKOUT_SECRETS,
    entity_of=lambda settings, token: Tokens(settings).offer_of(token),
    shown=offers.shown,
    answered=lambda shown: {"state": shown.state},
    no_form=(409, "This offer is paid by its payment link", "Load the page again."),
    no_form_code="no_session",
    too_often=(429, "The payment form was asked for too often", "Try again in ten minutes, or pay on Stripe's page."),
)

router = APIRouter(prefix="/portal", include_in_schema=False)


@router.get("/{token}")
async def page(state: StateDep, token: str) -> HTMLResponse:
    """What is bought, and paying it; once it is paid, that it is."""
    return await OFFER.page(state, token)


@router.get("/{token}/done")
async def done(state: StateDep, token: str) -> HTMLResponse:
    """The customer comes back from a checkout: the payment's event may be still on its way to us."""
    return await OFFER.page(state, token, "done")


@router.get("/{token}/cancel")
async def cancel(state: StateDep, token: str) -> HTMLResponse:
    """The customer does not pay now."""
    return await OFFER.page(state, token, "cancel")


@router.get("/{token}/state")
async def follow(state: StateDep, token: str, run: str = "") -> Response:
    """How the offer stands now; with the run that a request for a session started, what that needs to be shown."""
    return await OFFER.follow(state, token, run)


@router.post("/{token}/session", status_code=202)
async def ask(state: StateDep, token: str) -> Response:
    """A session is asked for by an event; whoever handles it makes one, or takes the one that is open."""

    def wanted(offer: Ref, till: Till) -> SessionRequest:
        plan, account = sides_of(offer.id)
        back = Tokens(state.settings).return_address(token)
        return SessionRequest(plan_id=plan, account_id=account, flow_link=till.link.id, return_url=back)

    return await OFFER.ask(state, token, wanted)
