"""What becomes of each payment of an offer, as Stripe shows it. Nothing is written anywhere: the offer shows it."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from shared.domains.flow import Condition, Flow, FlowStep
from shared.domains.model import Action
from shared.model import Model

PaymentState = Literal["pending", "paid", "partly refunded", "refunded", "failed", "expired"]


class PaymentNamed(Model):
    """A checkout session, or the payment by which it is found."""

    model_config = ConfigDict(extra="forbid")

    session_id: str = ""
    payment_intent: str = ""


class OfferPayment(Model):
    """A checkout of an offer. Amounts are in minor units."""

    session_id: str
    payment_intent: str = Field("", description="empty: a subscription bills it, or there was nothing to pay")
    state: PaymentState
    currency: str
    amount: int
    refunded: int = 0


ACTION = Action(
    name="stripe.checkout_session.read",
    app="stripe",
    title="Read what became of an offer's payment",
    input=PaymentNamed,
    output=OfferPayment,
    reads=True,
    rights=("Checkout Sessions: read", "PaymentIntents: read", "Charges and Refunds: read", "Invoices: read"),
)


def _read(**by: str) -> FlowStep:
    # Offers are the organization's: the flow link must name it, though nothing is asked there.
    return FlowStep(id="payment", action=ACTION.name, input=by, connections={"togai": "togai"})


CHECKOUT_ENDED = Flow(
    id="stripe-checkout-ended-to-offer",
    title="Stripe checkout that failed or expired -> shown at its offer",
    description="A payment that failed days later, and a checkout that expired, are shown at the offer.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.checkout.session.expired",
    more_triggers=("stripe.checkout.session.async_payment_failed",),
    conditions=(Condition(path="plan_id", operator="not_equals", value=""),),
    steps=(_read(session_id="{{ trigger.session_id }}"),),
)

REFUND_SHOWN = Flow(
    id="stripe-checkout-refund-to-offer",
    title="Refund of a checkout's payment -> shown at its offer",
    description="What is given back of a checkout's payment is shown at the offer. The plan stays.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.charge.refunded",
    more_triggers=("stripe.refund.updated", "stripe.refund.failed"),
    conditions=(Condition(path="payment_intent", operator="not_equals", value=""),),
    steps=(_read(payment_intent="{{ trigger.payment_intent }}"),),
)
