"""Payment-intent mode: an invoice of Togai is collected by a payment intent at Stripe, without a Stripe invoice. It is
the mode of whoever links this flow in place of the other one.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from shared.apps.stripe.webhooks import data_object, unknown_version
from shared.domains.flow import Flow, FlowOption, FlowStep
from shared.domains.invoices.states import InvoiceState
from shared.domains.invoices.stripe import INVOICE_ID, ORGANIZATION
from shared.domains.invoices.togai import InvoicePaid, InvoiceToRecord
from shared.domains.model import Action, Trigger
from shared.errors import Malformed
from shared.identity import is_id
from shared.model import Model


class InvoiceToCharge(Model):
    """What is to be charged. `total` is in minor units."""

    model_config = ConfigDict(extra="forbid")

    invoice_id: str
    account_id: str
    group_id: str = ""
    number: str = ""
    currency: str
    total: int


class IntentCharged(Model):
    """The payment intent; it is `processing` where the bank tells days later."""

    payment_intent: str
    status: str


class IntentNamed(Model):
    """The payment intent that an event tells of, and the invoice of Togai that its metadata name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    payment_intent: str
    invoice_id: str = ""
    organization: str = ""
    unknown_version: str = Field("", description="Stripe's API version of an event whose shape is not known")


class IntentShown(InvoicePaid):
    """What became of a payment intent, and what of it Togai has to show. Amounts are in minor units."""

    payment_intent: str
    state: InvoiceState
    togai_status: str = Field("", description="that Togai's invoice shall have; empty: whatever it has")
    recorded: str = Field(description="what belongs in the invoice's Settings; empty for nothing")
    total: int


def intent_named(body: Any) -> IntentNamed:
    """Raises Malformed if the event shows no payment intent."""
    found = data_object(body)
    if not found or found[0] != "payment_intent" or not is_id(found[1]):
        raise Malformed("the event shows no payment intent")
    metadata = body["data"]["object"].get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    named = {"invoice_id": known.get(INVOICE_ID), "organization": known.get(ORGANIZATION)}
    return IntentNamed(
        payment_intent=found[1],
        unknown_version=unknown_version(body),
        **{name: text for name, text in named.items() if is_id(text)},
    )


def recheck_body(payment_intent: str) -> dict[str, Any]:
    """The body of an event that only names a payment intent."""
    return {"data": {"object": {"object": "payment_intent", "id": payment_intent}}}


def _trigger(name: str, title: str) -> Trigger:
    return Trigger(
        name=f"stripe.payment_intent.{name}",
        app="stripe",
        title=title,
        output=IntentNamed,
        subject=data_object,
        extract=intent_named,
        recheck_body=recheck_body,
        rights=("Events: read",),
    )


TRIGGERS = (
    _trigger("succeeded", "Payment succeeded in Stripe"),
    _trigger("payment_failed", "Payment failed in Stripe"),
    _trigger("canceled", "Payment canceled in Stripe"),
    _trigger("processing", "Payment under way in Stripe"),
)
CHARGE, READ = "stripe.payment_intent.charge", "stripe.payment_intent.read_state"

ACTIONS = (
    Action(
        name=CHARGE,
        app="stripe",
        title="Charge an invoice off session, by its customer's default method",
        input=InvoiceToCharge,
        output=IntentCharged,
        # Charges: which methods were tried. Events: since when a customer is at the bank.
        rights=("PaymentIntents: write", "Customers: read", "Charges and Refunds: read", "Events: read"),
    ),
    Action(
        name=READ,
        app="stripe",
        title="Read what became of the payment intent of an invoice",
        input=IntentNamed,
        output=IntentShown,
        reads=True,
        rights=("PaymentIntents: read", "Charges and Refunds: read", "Disputes: read"),
    ),
)

_READ = FlowStep(id="invoice", action="togai.invoice.read", input={"invoice_id": "{{ trigger.invoice_id }}"})

INVOICE_TO_INTENT = Flow(
    id="togai-invoice-to-stripe-payment-intent",
    title="Togai invoice -> Stripe payment intent",
    description="An invoice that is due in Togai is charged off session by its customer's default method, without a "
    "Stripe invoice.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.invoice.generated",
    more_triggers=("togai.invoice.updated", "togai.order.generated"),
    moves_money=True,
    opt_in=True,
    options=(
        FlowOption(
            name="covered", title="What becomes of what a subscription at Stripe bills", values=("hold", "exclude")
        ),
    ),
    steps=(
        _READ,
        FlowStep(
            id="charged",
            action=CHARGE,
            input={name: f"{{{{ steps.invoice.{name} }}}}" for name in InvoiceToCharge.model_fields},
        ),
        FlowStep(
            id="settings",
            action="togai.invoice.write_stripe_id",
            input={
                "invoice_id": "{{ steps.invoice.invoice_id }}",
                "payment_intent": "{{ steps.charged.payment_intent }}",
            },
        ),
    ),
)

INTENT_TO_TOGAI = Flow(
    id="stripe-payment-intent-to-togai-payment",
    title="Stripe payment intent -> Togai payment",
    description="What a payment intent of an invoice brought is counted in Togai, once; a failed one is said there.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.payment_intent.succeeded",
    more_triggers=(
        "stripe.payment_intent.payment_failed",
        "stripe.payment_intent.canceled",
        "stripe.payment_intent.processing",
    ),
    moves_money=True,
    steps=(
        FlowStep(
            id="intent",
            action=READ,
            input={name: f"{{{{ trigger.{name} }}}}" for name in IntentNamed.model_fields},
        ),
        FlowStep(
            id="payment",
            action="togai.invoice.pay",
            input={name: f"{{{{ steps.intent.{name} }}}}" for name in InvoicePaid.model_fields},
        ),
        FlowStep(
            id="recorded",
            action="togai.invoice.record",
            input={name: f"{{{{ steps.intent.{name} }}}}" for name in InvoiceToRecord.model_fields if name != "status"}
            | {"status": "{{ steps.intent.togai_status }}"},
        ),
    ),
)
