"""Subscriptions that are at Stripe already: each becomes a plan of its account in Togai, and one of both bills it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from shared.domains.bodies import read_event
from shared.domains.choices import ConflictKind
from shared.domains.flow import Flow, FlowOption, FlowStep
from shared.domains.model import Action, ImportKind, Kind, NextStep, Relation, Trigger
from shared.domains.plans.flows import API
from shared.errors import Malformed
from shared.identity import LONGEST_ID
from shared.model import Model

SUBSCRIBED = Relation("subscribed", source=Kind("stripe", "subscription"), target=Kind("togai", "schedule"))
"""A subscription that was imported, and the schedule by which its account has the plan once its period has ended."""

Biller = Literal["stripe", "togai"]
BILLED_BY: dict[Biller, str] = {
    "stripe": "Stripe bills it on",
    "togai": "Togai bills it from the end of its period on",
}
"""As the reason of a link of `SUBSCRIBED` says who bills."""
BILLING = FlowOption(name="billing", title="Who bills from the end of the period on", values=("stripe", "togai"))


class SubscriptionNamed(Model):
    """A subscription that a person's request is about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subscription_id: str = Field(min_length=1, max_length=LONGEST_ID)


class SubscriptionFacts(Model):
    """What is needed of a subscription that can be imported."""

    model_config = ConfigDict(extra="forbid")

    subscription_id: str
    account_id: str
    plan_id: str
    since: str = Field(description="the day on which the last of its items' periods ends, in the organization's zone")


class SubscriptionAttached(Model):
    """The schedule that takes its place, its first day, and who bills."""

    schedule_id: str
    account_id: str
    plan_id: str
    since: str
    billing: str


class PlanFollows(Model):
    """From which day on Togai bills what a subscription billed."""

    model_config = ConfigDict(extra="forbid")

    subscription_id: str
    since: str


class SubscriptionEnds(Model):
    """When the subscription ends, in epoch seconds."""

    ends_at: int


def named(body: Any) -> SubscriptionNamed:
    """The body of a person's request. Raises Malformed."""
    return read_event(SubscriptionNamed, body, "names no subscription")


def _subject(body: Any) -> tuple[str, str] | None:
    try:
        return ("subscription", named(body).subscription_id)
    except Malformed:
        return None


def _body(subscription: str) -> dict[str, Any]:
    return {"subscription_id": subscription}


def _trigger(name: str, title: str) -> Trigger:
    return Trigger(
        name=f"stripe.subscription.{name}",
        app="stripe",
        title=title,
        output=SubscriptionNamed,
        subject=_subject,
        extract=named,
        recheck_body=_body,
        brought="person",
    )


TRIGGERS = (
    _trigger("import_requested", "A person imports subscriptions"),
    _trigger("end_requested", "A person ends the subscriptions that Togai bills from now on"),
)

ACTIONS = (
    Action(
        name="stripe.subscription.read",
        app="stripe",
        title="Read a subscription, its account and its plan",
        input=SubscriptionNamed,
        output=SubscriptionFacts,
        rights=("Subscriptions: read",),
        reads=True,
        calls={"stripe": 1},
    ),
    Action(
        name="togai.price_plan.follow_subscription",
        app="togai",
        title="Attach a subscription's plan from the end of its period on",
        input=SubscriptionFacts,
        output=SubscriptionAttached,
        calls={"togai": 3},
    ),
    Action(
        name="togai.price_plan.follows",
        app="togai",
        title="See that a plan follows a subscription",
        input=SubscriptionNamed,
        output=PlanFollows,
        reads=True,
        calls={"togai": 1},
    ),
    Action(
        name="stripe.subscription.end_with_period",
        app="stripe",
        title="Let a subscription end with its period",
        input=PlanFollows,
        output=SubscriptionEnds,
        rights=("Subscriptions: write",),
        calls={"stripe": 2},
    ),
)

_NAMED = {"subscription_id": "{{ trigger.subscription_id }}"}

IMPORT_FLOW = Flow(
    id="stripe-subscription-to-togai-plan",
    title="Stripe subscription that is there already -> Togai plan",
    description="An imported subscription's account has the plan in Togai from the end of its present period on.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.subscription.import_requested",
    moves_money=True,
    options=(API,),
    steps=(
        FlowStep(id="subscription", action="stripe.subscription.read", input=dict(_NAMED)),
        FlowStep(
            id="plan",
            action="togai.price_plan.follow_subscription",
            input={
                name: f"{{{{ steps.subscription.{name} }}}}"
                for name in ("subscription_id", "account_id", "plan_id", "since")
            },
        ),
    ),
)

END_FLOW = Flow(
    id="stripe-subscription-end-with-period",
    title="Stripe subscription that Togai bills from now on -> ends with its period",
    description="An imported subscription whose plan Togai is to bill ends when the plan begins.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.subscription.end_requested",
    moves_money=True,
    options=(API,),
    steps=(
        FlowStep(id="plan", action="togai.price_plan.follows", input=dict(_NAMED)),
        FlowStep(
            id="end",
            action="stripe.subscription.end_with_period",
            input={name: f"{{{{ steps.plan.{name} }}}}" for name in ("subscription_id", "since")},
        ),
    ),
)


def _left_out(name: str, title: str, remedy: str) -> ConflictKind:
    return ConflictKind(name, title=title, codes=(name,), choices=("leave_out", "wait"), remedy=remedy)


IMPORT = ImportKind(
    "subscriptions",
    title="every subscription in Stripe becomes a plan of its account in Togai, from the end of its period on",
    source=SUBSCRIBED.source,
    target=SUBSCRIBED.target,
    flow=IMPORT_FLOW.id,
    sliced=True,
    options=(BILLING,),
    next_step=NextStep(
        BILLING,
        "togai",
        address="end",
        button="Preview the end of these subscriptions",
        says="Stripe bills them on until you let them end with their periods: "
        "tandem import subscription-ends --dry-run",
    ),
    conflicts=(
        _left_out("trialing", "it is on trial", "wait until its trial has ended"),
        _left_out("paused", "its collection is paused", "let it go on in Stripe"),
        _left_out("discounted", "it is discounted, which no plan of Togai is by itself", "end the discount in Stripe"),
        _left_out("past_due", "its last invoice is not paid", "have it paid, or cancel it in Stripe"),
        _left_out(
            "not_running", "it is canceled, incomplete or unpaid: it bills nothing", "nothing, or begin it again"
        ),
        _left_out("ending", "it ends with its period already, or a schedule changes it", "let it go on in Stripe"),
        _left_out("unlinked", "its customer is no account in Togai", "`tandem import customers`"),
        _left_out("unmapped", "one of its prices is none of a plan", "`tandem prices link PLAN:NAME PRICE`"),
        _left_out("two_plans", "its prices belong to several plans", "part it into one subscription for each plan"),
        _left_out("quantity", "it asks for another quantity than one", "let the plan say how much, or import by hand"),
        _left_out("twin", "another subscription of its account is the same plan", "end one of the two in Stripe"),
        _left_out("other_plan", "its account has another plan", "end that one in Togai"),
        _left_out("draft", "a person drafts its account's schedules in Togai", "finalize or discard the draft there"),
    ),
)

IMPORT_ENDS = ImportKind(
    "subscription-ends",
    title="every imported subscription that Togai is to bill ends with its period",
    source=SUBSCRIBED.source,
    target=SUBSCRIBED.target,
    flow=END_FLOW.id,
    sliced=True,
    confirm="Stripe stops billing these subscriptions at the end of their periods",
    conflicts=(
        _left_out("renewed", "its period ends later than its plan begins", "move the plan's beginning in Togai"),
        _left_out("no_schedule", "its account has the plan no more", "attach it in Togai"),
    ),
)
