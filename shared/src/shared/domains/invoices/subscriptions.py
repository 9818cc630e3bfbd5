"""Subscriptions at Stripe that change: invoices of Togai that waited for the end of one go on at once."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from shared.apps.stripe.webhooks import data_object
from shared.domains.flow import Flow, FlowStep
from shared.domains.model import Action, Trigger
from shared.errors import Malformed
from shared.identity import is_id
from shared.model import Model


class SubscriptionChanged(Model):
    """A subscription that an event tells of; what it bills now is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subscription_id: str = Field(min_length=1)
    customer_id: str = Field("", description="whom it bills; empty where the event only names the subscription")
    prices: list[str] = Field([], description="what it bills, as far as the event shows it")


class InvoicesRechecked(Model):
    """Output: the invoices of Togai that were looked at again."""

    invoices: list[str]


def changed(body: Any) -> SubscriptionChanged:
    """Raises Malformed if the event shows no subscription."""
    found = data_object(body)
    if not found or found[0] != "subscription" or not is_id(found[1]):
        raise Malformed("the event shows no subscription")
    shown = body["data"]["object"]
    items = shown.get("items")
    rows = items.get("data") if isinstance(items, dict) else None
    prices = [row.get("price") for row in rows or () if isinstance(row, dict)]
    names = [price.get("id") if isinstance(price, dict) else None for price in prices]
    customer = shown.get("customer")
    return SubscriptionChanged(
        subscription_id=found[1],
        customer_id=customer if is_id(customer) else "",
        prices=[name for name in names if is_id(name)],
    )


def recheck_body(subscription_id: str) -> dict[str, Any]:
    """The body of an event that only names a subscription."""
    return {"data": {"object": {"object": "subscription", "id": subscription_id}}}


def _trigger(name: str, title: str) -> Trigger:
    return Trigger(
        name=f"stripe.customer.subscription.{name}",
        app="stripe",
        title=title,
        output=SubscriptionChanged,
        subject=data_object,
        extract=changed,
        recheck_body=recheck_body,
        rights=("Events: read",),
    )


TRIGGERS = (
    _trigger("deleted", "Subscription ended in Stripe"),
    _trigger("updated", "Subscription changed in Stripe"),
    _trigger("paused", "Subscription paused in Stripe"),
)

ACTION = Action(
    name="togai.invoice.recheck",
    app="togai",
    title="Look at invoices again that waited for a subscription",
    input=SubscriptionChanged,
    output=InvoicesRechecked,
    rights=("Subscriptions: read",),
)

SUBSCRIPTION_TO_INVOICES = Flow(
    id="stripe-subscription-to-togai-invoices",
    title="Stripe subscription ended -> Togai invoices go on",
    description="An invoice that waited because a subscription billed the same is looked at again once it has ended.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.customer.subscription.deleted",
    more_triggers=("stripe.customer.subscription.updated", "stripe.customer.subscription.paused"),
    moves_money=True,
    steps=(
        FlowStep(
            id="invoices",
            action=ACTION.name,
            input={name: f"{{{{ trigger.{name} }}}}" for name in SubscriptionChanged.model_fields},
        ),
    ),
)
