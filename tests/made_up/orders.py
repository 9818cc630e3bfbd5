"""Orders of a Stripe customer: a domain with a service of its own, whose flow asks customer-sync in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from shared.domains.flow import Flow, FlowStep
from shared.domains.model import Action, Domain, Kind, Relation, Trigger
from shared.errors import Malformed
from shared.flows.actions import Context, Implementation, Result


class Order(BaseModel):
    """An order, and the account that pays for it."""

    id: str
    account: str


class Note(BaseModel):
    """What is written down of an order."""

    order: str
    account: str
    email: str


def subject(body: Any) -> tuple[str, str] | None:
    found = body.get("id") if isinstance(body, dict) else None
    return ("order", found) if isinstance(found, str) else None


def order(body: Any) -> Order:
    if not subject(body):
        raise Malformed("the event names no order")
    return Order.model_validate(body)


async def check(context: Context, found: Order) -> Result:
    """The order is ours to note."""
    return Result(found, False, (f"checked in {context.run.noun}",))


async def note(context: Context, wanted: Note) -> Result:
    """Link the order to its account: claimed first, as every link."""
    source = context.ref("stripe", "order", wanted.order)
    target = context.ref("togai", "account", wanted.account)
    held = await context.claims.claim(
        source,
        action="stripe.order.note",
        app_account=context.account("togai"),
        body={},
        run=context.run.id,
        target=target,
    )
    made = held.state == "claimed"
    if made:
        await context.claims.link(held, target, "metadata", reason=wanted.email)
    return Result(wanted, made, (f"noted in {context.run.noun}",), (source, target))


BILLED = Relation("billed", source=Kind("stripe", "order"), target=Kind("togai", "account"), many=True)

NOTE_ORDERS = Flow(
    id="note-orders",
    title="Note orders",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.order.placed",
    steps=(
        FlowStep(
            id="check",
            action="stripe.order.check",
            input={"id": "{{ trigger.id }}", "account": "{{ trigger.account }}"},
        ),
        FlowStep(id="account", action="togai.account.read", input={"account_id": "{{ steps.check.account }}"}),
        FlowStep(
            id="note",
            action="stripe.order.note",
            input={
                "order": "{{ trigger.id }}",
                "account": "{{ steps.account.account_id }}",
                "email": "{{ steps.account.email }}",
            },
        ),
    ),
)

DOMAIN = Domain(
    noun="order",
    service="order-sync",
    triggers=(
        Trigger(
            name="stripe.order.placed", app="stripe", title="Order placed", output=Order, subject=subject, extract=order
        ),
    ),
    actions=(
        Action(name="stripe.order.check", app="stripe", title="Check an order", input=Order, output=Order),
        Action(
            name="stripe.order.note",
            app="stripe",
            title="Note an order",
            input=Note,
            output=Note,
            subject=lambda wanted: ("stripe", "order", wanted.order),
        ),
    ),
    flows=(NOTE_ORDERS,),
    relations=(BILLED,),
)
IMPLEMENTATIONS: Mapping[str, Implementation] = {"stripe.order.check": check, "stripe.order.note": note}
