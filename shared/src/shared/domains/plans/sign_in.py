"""Signing in to an account's offers: a link that is used once is mailed to the account's own address."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from shared.domains.bodies import read_event
from shared.domains.flow import Flow, FlowStep
from shared.domains.model import Action, Trigger
from shared.errors import Malformed
from shared.model import Model

GOOD_FOR = 900
"""Seconds for which a mailed link is good, from the time it was asked for."""


class SignInRequest(Model):
    """Somebody typed an address. It is sealed: it may be anybody's, and stays in the log."""

    model_config = ConfigDict(extra="forbid")

    number: str = Field(min_length=1, max_length=64, description="the request's own id")
    address: str = Field(min_length=1, max_length=4000, description="the e-mail address, sealed")
    ends: int = Field(description="epoch seconds until which a link is good")
    flow_link: str = ""


class SignInMailed(Model):
    """The accounts to whose address a mail was sent."""

    model_config = ConfigDict(extra="forbid")

    account_ids: list[str]


def requested(body: Any) -> SignInRequest:
    """The body of a visitor's request. Raises Malformed."""
    return read_event(SignInRequest, body, "asks for no link to sign in")


def _subject(body: Any) -> tuple[str, str] | None:
    try:
        return ("sign_in", requested(body).number)
    except Malformed:
        return None


TRIGGER = Trigger(
    name="togai.sign_in.requested",
    app="togai",
    title="A customer wants to see the offers",
    output=SignInRequest,
    subject=_subject,
    extract=requested,
    by_state=False,
    brought="person",
)

ACTION = Action(
    name="togai.account.mail_sign_in",
    app="togai",
    title="Mail a link to sign in to an account's own address",
    input=SignInRequest,
    output=SignInMailed,
)

FLOW = Flow(
    id="togai-sign-in-to-email",
    title="Customer at the sign-in page -> e-mail with a link",
    description="Who gets mail at an account's address sees its offers: by a link that holds for 15 minutes, and once.",
    direction="outbound",
    visibility="built-in",
    trigger=TRIGGER.name,
    sends_email=True,
    steps=(
        FlowStep(
            id="mail",
            action=ACTION.name,
            input={name: f"{{{{ trigger.{name} }}}}" for name in SignInRequest.model_fields},
        ),
    ),
)
