"""Invoices at Stripe: made, finalized, sent, and what was paid of them."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from shared.apps.stripe.models import TOGAI_INVOICE_GROUP
from shared.apps.stripe.webhooks import data_object, unknown_version
from shared.domains.invoices.states import InvoiceState
from shared.domains.invoices.togai import InvoiceFacts, InvoiceLine, InvoicePaid, InvoiceStatus, InvoiceToRecord
from shared.domains.model import Action, Trigger
from shared.errors import Malformed
from shared.identity import is_id
from shared.model import Model

INVOICE_ID, ACCOUNT, ORGANIZATION, LINE = "togai_invoice_id", "togai_account_id", "togai_app_account", "togai_line"
"""Names in the metadata of an invoice, and of its lines."""


def metadata_of(invoice_id: str, account_id: str, group_id: str, organization: str) -> dict[str, str]:
    """By which an invoice of Togai is found at Stripe: it names the account or the group that owes it."""
    owner = {TOGAI_INVOICE_GROUP: group_id} if group_id else {ACCOUNT: account_id}
    return {INVOICE_ID: invoice_id, **owner, ORGANIZATION: organization}


class StripeInvoiceNamed(Model):
    """The invoice that an event of Stripe tells of, or the payment by which it is found; what became of it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    invoice_id: str = Field("", description="empty where the event names a payment alone")
    payment_intent: str = ""
    charge: str = Field("", description="of a payment without a payment intent")
    unknown_version: str = Field("", description="Stripe's API version of an event whose shape is not known")
    is_paid: bool = Field(False, description="it tells that the invoice is paid as a whole")


class DraftMade(Model):
    """The draft with its lines, or the invoice that is there."""

    stripe_invoice_id: str


class InvoiceToFinalize(Model):
    """What a draft must come to. Amounts are in minor units."""

    model_config = ConfigDict(extra="forbid")

    invoice_id: str
    stripe_invoice_id: str
    currency: str
    total: int
    lines: list[InvoiceLine]
    account_id: str
    group_id: str = ""
    plan_id: str = ""
    made_at: str = Field("", description="when Togai generated it (RFC 3339)")


class InvoiceFinalized(Model):
    """The open invoice, and the page where it is paid."""

    stripe_invoice_id: str
    url: str = ""
    is_new: bool = Field(description="whether it was finalized just now: then nobody has sent it")
    finalized_at: int = Field(description="epoch seconds")
    is_sent: bool = Field(True, description="whether it goes out by e-mail: else Stripe charges it by itself")
    due_date: int | None = Field(None, description="epoch seconds; none where Stripe charges it by itself")


class InvoiceToSend(Model):
    """An invoice that its customer gets by e-mail."""

    model_config = ConfigDict(extra="forbid")

    invoice_id: str
    stripe_invoice_id: str
    is_new: bool = Field(description="whether it was finalized just now: then nobody has sent it")
    finalized_at: int = Field(description="epoch seconds")
    is_sent: bool = Field(True, description="whether it goes out by e-mail: else Stripe charges it by itself")


class InvoiceSent(Model):
    """Whether Stripe sent it."""

    sent: bool


class InvoiceClosed(Model):
    """The Stripe invoice's status afterwards."""

    status: str


class StripeInvoiceId(Model):
    """Input: a Stripe invoice's id."""

    model_config = ConfigDict(extra="forbid")

    stripe_invoice_id: str
    unknown_version: str = Field("", description="Stripe's API version of an event whose shape is not known")


class StripeFact(Model):
    """One of Stripe's objects that belongs to an invoice; `amount` is in minor units."""

    kind: str
    id: str
    status: str
    amount: int


class InvoiceSnapshot(InvoiceToRecord):
    """Where an invoice stands in Stripe, with everything that belongs to it. Amounts are in minor units."""

    currency: str
    state: InvoiceState
    number: str = ""
    url: str = ""
    total: int
    tax: int = Field(0, description="of the total, whether on top of its lines or within them")
    due_date: int | None = Field(None, description="epoch seconds")
    paid: int
    refunded: int
    disputed: int = Field(description="lost by disputes")
    credited: int
    overpaid: int
    facts: list[StripeFact]


OF_A_PAYMENT = ("charge", "refund", "dispute")
"""What does not name its invoice since 2025-03-31.basil: the payment does."""


def invoice(body: Any) -> tuple[str, str] | None:
    """The invoice that an event is about: its payments, refunds, disputes and credit notes are part of it. Else the
    payment intent or charge by which it is found.
    """
    found = data_object(body)
    if not found or found[0] == "invoice":
        return found
    entity = body["data"]["object"]
    named = [("invoice", entity.get("invoice"))]
    if found[0] in OF_A_PAYMENT:
        named += [(noun, entity.get(noun)) for noun in ("payment_intent", "charge")]
        named += [found] if found[0] == "charge" else []
    return next(((noun, name) for noun, name in named if is_id(name)), None)


def invoice_named(body: Any) -> StripeInvoiceNamed:
    """Raises Malformed if the event shows neither an invoice nor a payment, though its shape is known."""
    found, version = invoice(body), unknown_version(body)
    if not found and not version:
        raise Malformed("the event shows no invoice and no payment")
    noun, entity = found or ("invoice", "")
    return StripeInvoiceNamed.model_validate(
        {{"invoice": "invoice_id"}.get(noun, noun): entity}
        | {"unknown_version": version, "is_paid": body.get("type") == "invoice.paid"}
    )


def recheck_body(invoice_id: str) -> dict[str, Any]:
    """The body of an event that only names an invoice."""
    return {"data": {"object": {"object": "invoice", "id": invoice_id}}}


def _trigger(name: str, title: str) -> Trigger:
    return Trigger(
        name=f"stripe.{name}",
        app="stripe",
        title=title,
        output=StripeInvoiceNamed,
        subject=invoice,
        extract=invoice_named,
        recheck_body=recheck_body,
        rights=("Events: read",),
    )


CHANGES = (
    _trigger("invoice.payment_failed", "Payment of an invoice failed in Stripe"),
    _trigger("invoice.finalization_failed", "Invoice could not be finalized in Stripe"),
    _trigger("invoice.voided", "Invoice voided in Stripe"),
    _trigger("invoice.marked_uncollectible", "Invoice given up in Stripe"),
    _trigger("invoice.overdue", "Invoice overdue in Stripe"),
    _trigger("invoice.overpaid", "Invoice overpaid in Stripe"),
    _trigger("credit_note.created", "Credit note given in Stripe"),
    _trigger("credit_note.updated", "Credit note changed in Stripe"),
    _trigger("credit_note.voided", "Credit note voided in Stripe"),
    _trigger("refund.created", "Refund begun in Stripe"),
    _trigger("refund.updated", "Refund changed in Stripe"),
    _trigger("refund.failed", "Refund failed in Stripe"),
    _trigger("charge.refunded", "Charge refunded in Stripe"),
    _trigger("charge.dispute.created", "Charge disputed in Stripe"),
    _trigger("charge.dispute.updated", "Dispute changed in Stripe"),
    _trigger("charge.dispute.funds_withdrawn", "Disputed money withdrawn in Stripe"),
    _trigger("charge.dispute.funds_reinstated", "Disputed money given back in Stripe"),
    _trigger("charge.dispute.closed", "Dispute closed in Stripe"),
)
"""What becomes of an invoice beside its payments."""
TRIGGERS = (
    _trigger("invoice.paid", "Invoice paid in Stripe"),
    _trigger("invoice_payment.paid", "Part of an invoice paid in Stripe"),
    *CHANGES,
)

ACTIONS = (
    Action(
        name="stripe.invoice.create",
        app="stripe",
        title="Make a draft invoice with its lines",
        input=InvoiceFacts,
        output=DraftMade,
        rights=(
            "Invoices: write",
            "Credit notes: write",
            "PaymentIntents: read",
            "Customers: write",
            "Subscriptions: read",
        ),
    ),
    Action(
        name="stripe.invoice.finalize",
        app="stripe",
        title="Finalize a draft that is right to the cent",
        input=InvoiceToFinalize,
        output=InvoiceFinalized,
        rights=("Invoices: write",),
    ),
    Action(
        name="stripe.invoice.send",
        app="stripe",
        title="Send an invoice by e-mail",
        input=InvoiceToSend,
        output=InvoiceSent,
        rights=("Invoices: write", "Events: read"),
    ),
    Action(
        name="stripe.invoice.close",
        app="stripe",
        title="Close an invoice as Togai closed it",
        input=InvoiceStatus,
        output=InvoiceClosed,
        rights=("Invoices: write", "PaymentIntents: read"),
    ),
    Action(
        name="stripe.invoice.read_payments",
        app="stripe",
        title="Read what was paid of an invoice",
        input=StripeInvoiceId,
        output=InvoicePaid,
        reads=True,
        rights=("Invoices: read",),
    ),
    Action(
        name="stripe.invoice.read_state",
        app="stripe",
        title="Read the state of an invoice, with refunds, disputes and credit notes",
        input=StripeInvoiceNamed,
        output=InvoiceSnapshot,
        reads=True,
        rights=(
            "Customers: read",
            "Invoices: read",
            "PaymentIntents: read",
            "Charges and Refunds: read",
            "Disputes: read",
            "Credit notes: read",
        ),
    ),
)
