"""Plans at Togai: what is offered, read and attached."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from pydantic import ConfigDict, Field

from shared.apps.togai.bodies import WRAPPERS, entity_in, names_no
from shared.domains.bodies import read_event
from shared.domains.model import Action, Trigger
from shared.domains.plans.prices import PlanCatalog, PlanPrice
from shared.errors import Malformed
from shared.identity import LONGEST_ID
from shared.model import Model

SEPARATOR = "~"
"""Between the parts of an offer's id; in a part itself it is escaped: people choose the ids of accounts."""
_ESCAPED = {"%": "%25", SEPARATOR: "%7E"}


FIRST_PAYMENT, SUBSCRIPTION = "first_payment", "subscription"
"""What a payment link asks for: the first amount of each fee, once; or all that recurs, which Stripe bills then."""
WRAPPED = (*WRAPPERS, "pricePlan", "price_plan")
PREFIX = "pp."
"""Begins the id of every price plan: an `id` in a webhook's body may as well be the event's own."""


class PlanNamed(Model):
    """A price plan that an event tells of; what it costs is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan_id: str = Field(min_length=1)


class Offer(Model):
    """A plan that is to be offered to an account. `flow_link` is the one that was asked to do it."""

    model_config = ConfigDict(extra="forbid")

    plan_id: str = Field(min_length=1, max_length=LONGEST_ID)
    account_id: str = Field(min_length=1, max_length=LONGEST_ID)
    flow_link: str = ""


class PlanAttached(Offer):
    """A plan that an account has by a schedule that Togai's list shows for the first time."""

    schedule_id: str = Field(min_length=1, max_length=LONGEST_ID)
    since: str = Field("", description="the schedule's first day")


class OfferRead(Offer):
    """An offer that is read. One that a failed checkout renews names the link that it was made by, one that somebody
    attached already the schedule.
    """

    organization: str = Field("", description="Togai's app account, as the metadata name it; empty: the flow link's")
    failed_link: str = ""
    failed_session: str = Field("", description="of a page of ours, where no link was the way to it")
    mode: Literal["", "first_payment", "subscription"] = Field("", description="empty: as the flow link has chosen")
    schedule_id: str = Field("", description="by which the account has the plan already; empty: it does not have it")


class Fee(Model):
    """A fixed fee of a plan: its rates by currency, as decimal strings."""

    model_config = ConfigDict(extra="forbid")

    card: str
    name: str
    one_time: bool
    in_advance: bool
    begins_after: int = Field(0, description="pricing cycles after which it is asked for first")
    rates: dict[str, str]


class PlanFacts(Model):
    """What is needed of a plan, and of the account to which it is offered."""

    model_config = ConfigDict(extra="forbid")

    plan_id: str
    account_id: str
    version: int
    name: str
    description: str
    currency: str = Field(description="the account's invoice currency")
    interval: str = Field(description="of the plan's pricing cycle, in Togai's words")
    fees: list[Fee]
    not_sold: list[str] = Field(description="what the plan holds that no payment link can sell, a sentence each")
    email: str = ""
    mode: str = FIRST_PAYMENT
    prices: list[PlanPrice] = Field([], description="what a subscription asks for; there are no fees then")


class PaymentLinkOf(Model):
    """The link that is to be seen at an account."""

    model_config = ConfigDict(extra="forbid")

    account_id: str
    url: str


class Attach(Model):
    """A plan that a checkout paid for, and the account that gets it."""

    model_config = ConfigDict(extra="forbid")

    session_id: str
    plan_id: str = Field(min_length=1)
    account_id: str = Field(min_length=1)
    organization: str = Field("", description="Togai's app account that the offer was of; empty: it is not known")
    payment_status: str
    subscription: str = Field("", description="the one at Stripe that bills the plan from now on")
    payment_intent: str = Field("", description="by which it was paid; empty for a subscription's")


class Attached(Model):
    """The schedule by which the account has the plan, and its first day; `again`: it had it before this checkout."""

    schedule_id: str
    since: str
    again: bool = False


class CheckoutPayment(Model):
    """What was paid at a checkout, in minor units of Stripe."""

    model_config = ConfigDict(extra="forbid")

    account_id: str
    payment_intent: str = ""
    currency: str
    amount: int
    session_id: str


class Posted(Model):
    """The payment in Togai; empty where nothing was paid."""

    payment_id: str = ""


class Done(Model):
    """Whether something was written."""

    written: bool


def offer_id(plan: str, account: str, *more: str) -> str:
    """The id of an offer, made of both; of one of its links with the version, and with the checkout whose payment
    failed before.
    """
    return SEPARATOR.join(_escaped(part) for part in (plan, account, *more) if part)


def _escaped(part: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in part)


def sides_of(offer: str) -> tuple[str, str]:
    """Plan and account of an offer's id, whatever more it names."""
    plan, account = (*offer.split(SEPARATOR), "")[:2]
    return _unescaped(plan), _unescaped(account)


def _unescaped(part: str) -> str:
    for character, written in reversed(_ESCAPED.items()):
        part = part.replace(written, character)
    return part


def offered(body: Any) -> Offer:
    """The body of a person's request. Raises Malformed."""
    return read_event(Offer, body, "offers no plan")


def attached(body: Any) -> PlanAttached:
    """What the poller of schedules found. Raises Malformed."""
    return read_event(PlanAttached, body, "attaches no plan")


def subject_by(read: Callable[[Any], Offer], body: Any) -> tuple[str, str] | None:
    """The offer that a body, read by `read`, is about; None for one that does not fit."""
    try:
        found = read(body)
    except Malformed:
        return None
    return ("offer", offer_id(found.plan_id, found.account_id))


def price_plan(body: Any) -> tuple[str, str] | None:
    """The plan that a webhook is about, by probing: `pricePlanId` anywhere first, then the `id` of a plan."""
    found = entity_in(body, WRAPPED, ("pricePlanId",), mark="pricingSchedule", prefix=PREFIX)
    return ("price_plan", found) if found else None


def plan_named(body: Any) -> PlanNamed:
    """Raises Malformed if the body names no price plan."""
    found = price_plan(body)
    if not found:
        raise names_no("price plan")
    return PlanNamed(plan_id=found[1])


def recheck_body(plan_id: str) -> dict[str, Any]:
    """The body of an event that only names a price plan."""
    return {"pricePlanId": plan_id}


def _trigger(name: str, title: str, brought: Literal["webhook", "poll"], hook: str = "") -> Trigger:
    return Trigger(
        name=f"togai.price_plan.{name}",
        app="togai",
        title=title,
        output=PlanNamed,
        subject=price_plan,
        extract=plan_named,
        recheck_body=recheck_body,
        brought=brought,
        hook=hook,
    )


TRIGGERS = (
    _trigger("created", "Price plan created in Togai", "webhook", "Price plan creation"),
    _trigger("updated", "Price plan activated, changed or archived in Togai", "poll"),
    Trigger(
        name="togai.price_plan.offered",
        app="togai",
        title="A person offered a plan to an account",
        output=Offer,
        subject=partial(subject_by, offered),
        extract=offered,
        by_state=False,
        brought="person",
    ),
    Trigger(
        name="togai.price_plan.attached",
        app="togai",
        title="Price plan attached to an account in Togai",
        output=PlanAttached,
        subject=partial(subject_by, attached),
        extract=attached,
        by_state=False,
        brought="poll",
    ),
)

ACTIONS = (
    Action(
        name="togai.price_plan.translate",
        app="togai",
        title="Read a price plan as Stripe's prices",
        input=PlanNamed,
        output=PlanCatalog,
        reads=True,
    ),
    Action(
        name="togai.price_plan.read",
        app="togai",
        title="Read a plan that is offered, and the account",
        input=OfferRead,
        output=PlanFacts,
        reads=True,
    ),
    Action(
        name="togai.account.write_payment_link",
        app="togai",
        title="Write the payment link to the account's Settings",
        input=PaymentLinkOf,
        output=Done,
    ),
    Action(
        name="togai.price_plan.attach",
        app="togai",
        title="Attach a paid plan to its account",
        input=Attach,
        output=Attached,
    ),
    Action(
        name="togai.payment.post",
        app="togai",
        title="Count what a checkout paid as the account's wallet credit",
        input=CheckoutPayment,
        output=Posted,
    ),
)
