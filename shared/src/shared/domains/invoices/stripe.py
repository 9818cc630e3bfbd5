"""Invoices at Stripe: made, finalized, sent, and what was paid of them."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from shared.apps.stripe.webhooks import data_object
from shared.domains.invoices.togai import InvoiceFacts, InvoiceLine, InvoiceNamed, InvoicePaid, InvoiceStatus
from shared.domains.model import Action, Trigger
from shared.errors import Malformed
from shared.identity import is_id
from shared.model import Model

INVOICE_ID, ACCOUNT, ORGANIZATION, LINE = "togai_invoice_id", "togai_account_id", "togai_app_account", "togai_line"
"""Names in the metadata of an invoice, and of its lines."""


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


class InvoiceFinalized(Model):
    """The open invoice, and the page where it is paid."""

    stripe_invoice_id: str
    url: str = ""
    is_new: bool = Field(description="whether it was finalized just now: then nobody has sent it")
    finalized_at: int = Field(description="epoch seconds")


class InvoiceToSend(Model):
    """An invoice that its customer gets by e-mail."""

    model_config = ConfigDict(extra="forbid")

    invoice_id: str
    stripe_invoice_id: str
    is_new: bool = Field(description="whether it was finalized just now: then nobody has sent it")
    finalized_at: int = Field(description="epoch seconds")


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


def invoice(body: Any) -> tuple[str, str] | None:
    """The invoice that an event is about: its payments are part of it."""
    found = data_object(body)
    if found and found[0] == "invoice_payment":
        entity = body["data"]["object"].get("invoice")
        return ("invoice", entity) if is_id(entity) else None
    return found if found and found[0] == "invoice" else None


def invoice_named(body: Any) -> InvoiceNamed:
    """Raises Malformed if the event shows no invoice."""
    found = invoice(body)
    if not found:
        raise Malformed("the event shows no invoice")
    return InvoiceNamed(invoice_id=found[1])


def recheck_body(invoice_id: str) -> dict[str, Any]:
    """The body of an event that only names an invoice."""
    return {"data": {"object": {"object": "invoice", "id": invoice_id}}}


def _trigger(name: str, title: str) -> Trigger:
    return Trigger(
        name=f"stripe.{name}",
        app="stripe",
        title=title,
        output=InvoiceNamed,
        subject=invoice,
        extract=invoice_named,
        recheck_body=recheck_body,
        rights=("Events: read",),
    )


TRIGGERS = (
    _trigger("invoice.paid", "Invoice paid in Stripe"),
    _trigger("invoice_payment.paid", "Part of an invoice paid in Stripe"),
)

ACTIONS = (
    Action(
        name="stripe.invoice.create",
        app="stripe",
        title="Make a draft invoice with its lines",
        input=InvoiceFacts,
        output=DraftMade,
        rights=("Invoices: write",),
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
)
