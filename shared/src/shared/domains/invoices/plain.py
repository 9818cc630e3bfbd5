"""Plain actions of invoices, for flows of one's own. One that mirrors an invoice of Togai, as its metadata or its link
says, is made once whichever flow comes first, and passes the penny gate whoever finalizes it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from shared.domains.invoices.togai import Counted, InvoiceFacts, InvoiceLine
from shared.domains.model import Action
from shared.model import Model


class _Input(Model):
    model_config = ConfigDict(extra="forbid")


class TransformInvoice(InvoiceFacts):
    """An invoice of Togai, and how it is to be collected."""

    customer_id: str = Field("", description="at Stripe; empty: the one that the account is linked to")
    collection_method: Literal["send_invoice", "charge_automatically"] = "send_invoice"
    days_until_due: int = Field(30, ge=0, description="where neither Togai's due date nor its net terms say")
    own_number: bool = Field(False, description="whether Togai's number becomes Stripe's")


class InvoiceObject(_Input):
    """A Stripe invoice that is to be made. Amounts are in minor units, `due_date` is in epoch seconds."""

    customer_id: str = ""
    currency: str = Field(min_length=3, max_length=3)
    collection_method: Literal["send_invoice", "charge_automatically"] = "send_invoice"
    due_date: int | None = None
    days_until_due: int | None = None
    number: str = ""
    description: str = ""
    custom_fields: list[dict[str, str]] = []
    metadata: dict[str, str] = {}
    lines: list[InvoiceLine] = Field(min_length=1)


class InvoiceTransformed(Model):
    """Output: what `stripe.invoice.add` takes."""

    invoice: InvoiceObject
    total: int = Field(description="minor units, with tax")


class AddInvoice(_Input):
    """An invoice that is to be made, as a draft."""

    invoice: InvoiceObject


class InvoiceAdded(Model):
    """The draft, or the invoice that Togai's has already."""

    stripe_invoice_id: str
    status: str
    mirrors: str = Field("", description="id of the invoice of Togai that it mirrors; empty for none")


class PlainInvoice(_Input):
    """An invoice at Stripe."""

    stripe_invoice_id: str = Field(min_length=1)


class FinalizeInvoice(PlainInvoice):
    """A draft that is to be finalized. One that mirrors an invoice of Togai always advances by itself."""

    auto_advance: bool = Field(False, description="whether Stripe charges it, and reminds of it, by itself")


class InvoiceShown(Model):
    """The invoice as it is now."""

    stripe_invoice_id: str
    status: str
    number: str = ""
    url: str = Field("", description="where it is paid")


class MarkPaid(_Input):
    """What was paid of an invoice of Togai elsewhere."""

    invoice_id: str = Field(min_length=1)
    amount: str = Field("", description="in the currency itself, as 49.50; empty: all that is open")
    transaction: str = Field("", max_length=200, description="its number there; empty: made of the run and its step")
    source: str = Field("tandem", min_length=1, max_length=100, description="where it was paid")


TRANSFORM, ADD = "togai.invoice.transform", "stripe.invoice.add"
FINALIZE, SEND, MARK_PAID = "stripe.draft_invoice.finalize", "stripe.open_invoice.send", "togai.invoice.mark_paid"

ACTIONS = (
    Action(
        name=TRANSFORM,
        app="togai",
        title="Transform Togai invoice to Stripe invoice object",
        input=TransformInvoice,
        output=InvoiceTransformed,
        reads=True,
    ),
    Action(
        name=ADD,
        app="stripe",
        title="Create invoice",
        input=AddInvoice,
        output=InvoiceAdded,
        rights=("Invoices: write",),
    ),
    Action(
        name=FINALIZE,
        app="stripe",
        title="Finalize invoice",
        input=FinalizeInvoice,
        output=InvoiceShown,
        rights=("Invoices: write", "Subscriptions: read"),
    ),
    Action(
        name=SEND,
        app="stripe",
        title="Send invoice",
        input=PlainInvoice,
        output=InvoiceShown,
        rights=("Invoices: write", "Events: read"),
    ),
    Action(name=MARK_PAID, app="togai", title="Mark invoice paid", input=MarkPaid, output=Counted),
)


def kept(values: dict[str, Any]) -> dict[str, Any]:
    """Parameters without those that say nothing."""
    return {name: value for name, value in values.items() if value not in ("", None, [], {})}
