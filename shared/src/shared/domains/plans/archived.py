"""What a plan that is archived in Togai leaves open in Stripe: the ways to pay its offers close."""

from __future__ import annotations

from pydantic import ConfigDict

from shared.domains.flow import Flow, FlowStep
from shared.domains.model import Action
from shared.domains.plans.flows import API
from shared.domains.plans.togai import PlanNamed
from shared.model import Model


class OffersClosed(Model):
    """The links and sessions of an archived plan that were open."""

    model_config = ConfigDict(extra="forbid")

    closed: list[str]


ACTION = Action(
    name="stripe.payment_link.close_of_archived_plan",
    app="stripe",
    title="Close the open offers of a plan that was archived",
    input=PlanNamed,
    output=OffersClosed,
    rights=("Payment Links: write", "Checkout Sessions: write"),
)

FLOW = Flow(
    id="togai-archived-plan-to-offers",
    title="Togai plan that is archived -> its offers close",
    description="What Tandem offered of a plan can be paid no more once the plan is archived in Togai, as long as a "
    "flow that makes offers is on.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.price_plan.updated",
    more_triggers=("togai.price_plan.created",),
    options=(API,),
    steps=(FlowStep(id="closed", action=ACTION.name, input={"plan_id": "{{ trigger.plan_id }}"}),),
)
