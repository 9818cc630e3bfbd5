"""A checkout session that pays an invoice of Togai, as somebody else's page opens one: what it brought is read."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from shared.domains.invoices.togai import InvoicePaid
from shared.domains.model import Action
from shared.model import Model


class CheckoutOfInvoice(Model):
    """A completed session, and the invoice that it pays: of Togai by its metadata, of Stripe by itself."""

    model_config = ConfigDict(extra="forbid")

    session_id: str
    payment_status: str
    invoice_id: str = Field("", description="of Togai, as the metadata name it")
    organization: str = Field("", description="Togai's app account, as the metadata name it")
    stripe_invoice_id: str = ""
    payment_intent: str = Field("", description="empty: there was nothing to pay, or its invoice was paid")


def _subject(found: CheckoutOfInvoice) -> tuple[str, str, str]:
    """The queue in which the other events of the same payment are worked on."""
    if found.stripe_invoice_id:
        return ("stripe", "invoice", found.stripe_invoice_id)
    if found.payment_intent:
        return ("stripe", "payment_intent", found.payment_intent)
    return ("stripe", "checkout.session", found.session_id)


ACTION = Action(
    name="stripe.checkout_session.read_invoice",
    app="stripe",
    title="Read what a checkout session paid of an invoice",
    input=CheckoutOfInvoice,
    output=InvoicePaid,
    reads=True,
    subject=_subject,
    rights=("Invoices: read", "PaymentIntents: read", "Charges and Refunds: read", "Disputes: read"),
)
