"""A checkout session for an account that has a Stripe customer: a page asks for it, since a payment link names none."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import ConfigDict, Field

from shared.domains.bodies import read_event
from shared.domains.flow import Flow, FlowStep
from shared.domains.model import Action, Trigger
from shared.domains.plans.togai import Offer, subject_by


class SessionRequest(Offer):
    """An offer that a visitor wants to pay now. `flow_link` is the one that was asked to do it."""

    return_url: str = Field(min_length=1, max_length=2000, description="where the visitor comes back to after paying")


class SessionMade(Offer):
    """The open session of an offer. What its page needs to show it is sealed: it is for one visitor."""

    model_config = ConfigDict(extra="forbid")

    session_id: str
    customer_id: str
    payment_link: str = Field(description="the link that sells the same")
    expires_at: int = Field(description="epoch seconds")
    sealed: str = Field(description="the client secret, sealed")


def requested(body: Any) -> SessionRequest:
    """The body of a visitor's request. Raises Malformed."""
    return read_event(SessionRequest, body, "asks for no session")


TRIGGER = Trigger(
    name="togai.checkout.session_requested",
    app="togai",
    title="A customer wants to pay an offer",
    output=SessionRequest,
    subject=partial(subject_by, requested),
    extract=requested,
    by_state=False,
    brought="person",
)

ACTION = Action(
    name="stripe.checkout_session.create",
    app="stripe",
    title="Make or find the open checkout session of an offer",
    input=SessionRequest,
    output=SessionMade,
    rights=(
        "Checkout Sessions: write",
        "Payment Links: read",
        "PaymentIntents: read",
        "Charges and Refunds: read",
        "Subscriptions: read",
    ),
)

FLOW = Flow(
    id="togai-offer-to-stripe-checkout-session",
    title="Customer at an offer's page -> Stripe checkout session",
    description="An account that has a Stripe customer pays an offer as that customer, at the offer's own page.",
    direction="outbound",
    visibility="built-in",
    trigger=TRIGGER.name,
    moves_money=True,
    steps=(
        FlowStep(
            id="session",
            action=ACTION.name,
            input={name: f"{{{{ trigger.{name} }}}}" for name in ("plan_id", "account_id", "flow_link", "return_url")},
        ),
    ),
)
