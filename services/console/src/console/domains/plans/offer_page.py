"""An offer's page."""

from __future__ import annotations

from shared.domains.plans.sessions import ACTION, TRIGGER, SessionRequest
from shared.domains.plans.togai import sides_of
from shared.identity import Ref
from shared.sealed_texts import CHECKOUT_SECRETS

from console.api.state import State
from console.domains.plans import offers
from console.domains.plans.tokens import Tokens
from console.portal.public_page import PublicPage
from console.portal.till import Till


def _session(state: State, token: str, offer: Ref, till: Till) -> SessionRequest:
    """Whoever handles it makes a session, or takes the one that is open."""
    plan, account = sides_of(offer.id)
    back = Tokens(state.settings).return_address(token)
    return SessionRequest(plan_id=plan, account_id=account, flow_link=till.link.id, return_url=back)


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
    wanted=_session,
    ends=("done", "cancel"),
)
