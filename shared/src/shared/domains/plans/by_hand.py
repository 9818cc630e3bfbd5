"""A price of Stripe that a person calls the price of a plan: for prices, and subscriptions, that were there before."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from shared.domains.bodies import read_request
from shared.domains.flow import Flow, FlowStep
from shared.domains.model import Action, LinkRequest, Trigger
from shared.identity import is_id
from shared.model import Model


class PriceLinkChange(Model):
    """What a person asked for. Of `rate_card` what stands before the first colon is the plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    change: Literal["link", "unlink", "relink", "separate", "revert"]
    rate_card: str = Field("", description="as pp.1:1:base; any name behind the plan will do")
    price_id: str = ""
    reason: str = Field(min_length=1)
    flow_link: str = Field("", description="the one that does it; empty: whichever gets it")


class PriceLinkChanged(Model):
    """The link that stands now."""

    mapping: str
    plan_id: str
    price_id: str


def link_change(request: LinkRequest) -> PriceLinkChange:
    """A person's request as the trigger's body."""
    return PriceLinkChange(
        change=request.change,
        rate_card=request.sides.get("togai", ""),
        price_id=request.sides.get("stripe", ""),
        reason=request.reason,
        flow_link=request.flow_link,
    )


def _change(body: Any) -> PriceLinkChange:
    return read_request(PriceLinkChange, body, "the request for a price's link")


def _subject(body: Any) -> tuple[str, str] | None:
    for name, noun in (("rate_card", "rate_card"), ("price_id", "price")):
        found = body.get(name) if isinstance(body, dict) else None
        if is_id(found):
            return (noun, found)
    return None


REQUESTED = Trigger(
    name="togai.rate_card.link_requested",
    app="togai",
    title="Change of a price's link asked for by a person",
    output=PriceLinkChange,
    subject=_subject,
    extract=_change,
    by_state=False,
    brought="person",
)

CHANGE_LINK = Action(
    name="stripe.price.change_link",
    app="stripe",
    title="Link a price with a plan, or take that back",
    input=PriceLinkChange,
    output=PriceLinkChanged,
    rights=("Prices: write",),
)

PRICES_BY_HAND = Flow(
    id="prices-by-hand",
    title="Prices linked with plans by hand",
    description="A price that was at Stripe before is called that of a plan: its subscriptions can be imported.",
    direction="outbound",
    visibility="built-in",
    trigger=REQUESTED.name,
    steps=(
        FlowStep(
            id="link",
            action=CHANGE_LINK.name,
            input={name: f"{{{{ trigger.{name} }}}}" for name in PriceLinkChange.model_fields},
        ),
    ),
)
