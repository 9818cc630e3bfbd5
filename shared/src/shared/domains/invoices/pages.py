"""The page of an invoice that a payment intent collects: its address, and what it asks for when somebody wants to pay.

Its customer confirms there what was declined off session, or pays by another method.
"""

from __future__ import annotations

import time
from typing import Any

from pydantic import ConfigDict, Field

from shared.domains.bodies import read_event
from shared.domains.flow import Flow, FlowOption, FlowStep
from shared.domains.invoices.by_hand import subject
from shared.domains.model import Action, Trigger
from shared.identity import Ref
from shared.model import Model
from shared.sealed_addresses import NoToken, SealedAddresses
from shared.sealed_texts import INVOICE_PAGES
from shared.settings import Settings

DAY = 24 * 3600
GOOD_FOR, RENEWED = 30 * DAY, 7 * DAY
"""Seconds that an address holds, and those before its end in which Togai's Settings get another one."""
PLACE = "/portal/invoices/"


class InvoicePages:
    """Makes and reads the tokens in their addresses. Raises Misconfigured where there is no key for them."""

    def __init__(self, settings: Settings) -> None:
        self._sealed = SealedAddresses(settings, INVOICE_PAGES)

    def address(self, invoice: Ref) -> str:
        """Where the page of an invoice is, from now on for as long as an address holds."""
        return self._sealed.address("invoices/%s", invoice, time.time() + GOOD_FOR)

    def invoice_of(self, token: str) -> Ref:
        """Raises NoToken, Expired."""
        return self._sealed.open(token).entity

    def in_place_of(self, present: str, invoice: Ref) -> str:
        """What is written where an address, or nothing, stands: a new one for none and for one of ours that ends soon;
        empty where what stands there stays, as whatever a person wrote does.
        """
        if present:
            try:
                found = self._sealed.read(present.rpartition(PLACE)[2])
            except NoToken:
                return ""
            if found.entity != invoice or found.ends > time.time() + RENEWED:
                return ""
        return self.address(invoice)


class PaymentRequest(Model):
    """An invoice that a visitor of its page wants to pay now. `flow_link` is the one that was asked to do it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    invoice_id: str = Field(min_length=1)
    flow_link: str = ""


class PaymentForm(Model):
    """A payment intent that asks for what Togai does. What its page needs to show it is sealed: it is for one visitor.
    `amount` is in minor units.
    """

    model_config = ConfigDict(extra="forbid")

    invoice_id: str
    payment_intent: str
    currency: str
    amount: int
    sealed: str = Field(description="the client secret, sealed")


def requested(body: Any) -> PaymentRequest:
    """The body of a visitor's request. Raises Malformed."""
    return read_event(PaymentRequest, body, "asks to pay no invoice")


TRIGGER = Trigger(
    name="togai.invoice.payment_requested",
    app="togai",
    title="A customer wants to pay an invoice",
    output=PaymentRequest,
    subject=subject,
    extract=requested,
    by_state=False,
    brought="person",
)

ACTION = Action(
    name="stripe.payment_intent.prepare",
    app="stripe",
    title="Prepare the payment intent of an invoice for its customer",
    input=PaymentRequest,
    output=PaymentForm,
    rights=("PaymentIntents: write", "Subscriptions: read"),
)

INVOICE_TO_PAYMENT_FORM = Flow(
    id="togai-invoice-to-payment-form",
    title="Customer at an invoice's page -> Stripe payment intent",
    description="An invoice that is charged off session is confirmed, or paid by another method, at its own page.",
    direction="outbound",
    visibility="built-in",
    trigger=TRIGGER.name,
    moves_money=True,
    options=(
        FlowOption(
            name="covered", title="What becomes of what a subscription at Stripe bills", values=("hold", "exclude")
        ),
    ),
    steps=(
        FlowStep(
            id="form",
            action=ACTION.name,
            input={name: f"{{{{ trigger.{name} }}}}" for name in PaymentRequest.model_fields},
        ),
    ),
)
