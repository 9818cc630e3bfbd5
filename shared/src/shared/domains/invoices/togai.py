"""Invoices at Togai: what tells of them, what is read, and what is counted as paid."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from shared.apps.togai.bodies import WRAPPERS, entity_in, names_no
from shared.domains.model import Action, Trigger
from shared.model import Model

WRAPPED = (*WRAPPERS, "invoice", "order")
PREFIX = "inv."
"""Begins the id of every invoice: an `id` in a webhook's body may as well be the event's own."""


class InvoiceNamed(Model):
    """An invoice that an event tells of; what became of it is read."""

    model_config = ConfigDict(frozen=True)

    invoice_id: str


class InvoiceId(Model):
    """Input: an invoice's id."""

    model_config = ConfigDict(extra="forbid")

    invoice_id: str = Field(min_length=1)


class LineTax(Model):
    """Tax on top of a line, in minor units; `percentage` as a decimal string, as the invoice as a whole has it."""

    model_config = ConfigDict(extra="forbid")

    name: str
    amount: int
    percentage: str


class InvoiceLine(Model):
    """One line of a Stripe invoice. `amount` is in minor units, without tax; `start` and `end` are epoch seconds."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="the same for the same line whenever it is made again")
    description: str
    amount: int
    taxes: list[LineTax] = []
    start: int | None = None
    end: int | None = None


class InvoiceFacts(Model):
    """What is needed of an invoice that is due. Amounts are in Stripe's minor units."""

    model_config = ConfigDict(extra="forbid")

    invoice_id: str
    account_id: str = Field(description="that owes it; empty where an invoice group does")
    group_id: str = Field("", description="the invoice group that owes it; empty where an account does")
    number: str = Field("", description="Togai's `sequenceId`; empty if it has none")
    currency: str
    total: int = Field(description="what is still to be collected")
    lines: list[InvoiceLine]
    due_date: int | None = Field(None, description="epoch seconds")
    net_term_days: int | None = None
    status: str = Field("DUE", description="at Togai: DUE, or PARTIALLY_PAID")
    plan_id: str = Field("", description="the price plan that it bills; empty for none")
    made_at: str = Field("", description="when Togai generated it (RFC 3339)")


class InvoiceStatus(Model):
    """What became of an invoice that Stripe collects, by an invoice of its own or by a payment intent alone."""

    model_config = ConfigDict(extra="forbid")

    invoice_id: str
    stripe_invoice_id: str = ""
    payment_intent: str = ""
    status: Literal["VOID", "UN_COLLECTIBLE", "PAID"]


class StripeIdsOf(Model):
    """The Stripe invoice or payment intent that an invoice's Settings shall name, and where it is paid."""

    model_config = ConfigDict(extra="forbid")

    invoice_id: str
    stripe_invoice_id: str = ""
    url: str = ""
    payment_intent: str = ""


class Written(Model):
    """Whether something was written."""

    written: bool


class InvoiceToRecord(Model):
    """What Togai has to show of an invoice beside its payments: a status where Togai has one, else words."""

    model_config = ConfigDict(extra="forbid")

    invoice_id: str
    stripe_invoice_id: str
    recorded: str = Field(description="what stands in the invoice's Settings; empty for nothing")
    status: str = Field(description="that the invoice shall have; empty: whatever it has")


class Recorded(Model):
    """Whether the Settings changed, and the invoice's new status, empty where it stays."""

    written: bool
    status: str = ""


class InvoicePayment(Model):
    """What was paid under one transaction number, in minor units. `kind` tells money from what closed the rest."""

    model_config = ConfigDict(extra="forbid")

    transaction: str
    amount: int
    kind: Literal["paid", "balance"] = "paid"


class InvoicePaid(Model):
    """What Stripe says was paid of an invoice."""

    model_config = ConfigDict(extra="forbid")

    invoice_id: str
    stripe_invoice_id: str
    currency: str
    status: str = Field(description="of the Stripe invoice: `paid` closes Togai's, whatever paid it")
    overpaid: int = Field(0, description="minor units beyond the Stripe invoice: in its customer's balance by itself")
    carried: int = Field(0, description="minor units that the customer's balance at Stripe put on it, owed from before")
    unpaid: int | None = Field(
        None, description="minor units of it that no payment covers: balance, credit notes, out of band; none: unknown"
    )
    payments: list[InvoicePayment]
    source: str = Field("stripe", description="where it was paid, as Togai's payment names it")


class Counted(Model):
    """The payments in Togai, by transaction number, and how much of each was counted there, as decimal strings."""

    payments: dict[str, str]
    amounts: dict[str, str]
    owed: dict[str, int] = Field(
        default_factory=dict, description="minor units of a payment that were paid elsewhere before: to be given back"
    )


def invoice(body: Any) -> tuple[str, str] | None:
    """The invoice that a webhook is about, by probing: `invoiceId` anywhere first, then the `id` of an invoice."""
    found = entity_in(body, WRAPPED, ("invoiceId", "orderId"), mark="invoiceClass", prefix=PREFIX)
    return ("invoice", found) if found else None


def invoice_named(body: Any) -> InvoiceNamed:
    """Raises Malformed if the body names no invoice."""
    found = invoice(body)
    if not found:
        raise names_no("invoice")
    return InvoiceNamed(invoice_id=found[1])


def recheck_body(invoice_id: str) -> dict[str, Any]:
    """The body of an event that only names an invoice."""
    return {"invoiceId": invoice_id}


def _trigger(name: str, title: str, hook: str) -> Trigger:
    return Trigger(
        name=name,
        app="togai",
        title=title,
        output=InvoiceNamed,
        subject=invoice,
        extract=invoice_named,
        recheck_body=recheck_body,
        hook=hook,
    )


TRIGGERS = (
    _trigger("togai.invoice.generated", "Invoice generated in Togai", "Invoice generation"),
    _trigger("togai.invoice.updated", "Invoice changed in Togai", "Invoice updation"),
    _trigger("togai.order.generated", "Order generated in Togai", "Order generation"),
)

ACTIONS = (
    Action(
        name="togai.invoice.read",
        app="togai",
        title="Read an invoice that is due in Togai",
        input=InvoiceId,
        output=InvoiceFacts,
        reads=True,
    ),
    Action(
        name="togai.invoice.read_status",
        app="togai",
        title="Read whether an invoice was closed in Togai",
        input=InvoiceId,
        output=InvoiceStatus,
        reads=True,
        # Of one for which Togai asks a refund it reads what was given back.
        rights=("Invoices: read", "PaymentIntents: read", "Charges and Refunds: read", "Disputes: read"),
    ),
    Action(
        name="togai.invoice.write_stripe_id",
        app="togai",
        title="Write the Stripe invoice's id and page to an invoice's Settings",
        input=StripeIdsOf,
        output=Written,
    ),
    Action(
        name="togai.invoice.pay",
        app="togai",
        title="Count what was paid of an invoice in Togai",
        input=InvoicePaid,
        output=Counted,
    ),
    Action(
        name="togai.invoice.record",
        app="togai",
        title="Write what became of an invoice in Stripe to Togai",
        input=InvoiceToRecord,
        output=Recorded,
    ),
)
