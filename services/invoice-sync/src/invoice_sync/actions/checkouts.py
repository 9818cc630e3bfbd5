"""What a checkout session paid of an invoice: the numbers are those of the payments, whichever event comes first."""

from __future__ import annotations

from shared.domains.invoices import INVOICE
from shared.domains.invoices.checkouts import CheckoutOfInvoice
from shared.domains.invoices.intents import IntentNamed
from shared.domains.invoices.stripe import StripeInvoiceId
from shared.domains.invoices.togai import InvoicePaid
from shared.domains.plans.stripe import PAID
from shared.runtime.actions import Context, Ended, Result

from invoice_sync.actions import intents, payments
from invoice_sync.decide import payments_of


async def read(context: Context, wanted: CheckoutOfInvoice) -> Result:
    """The invoice of Stripe that collects one of Togai is read as when it tells itself that it was paid; else the
    payment, for the invoice that the metadata name. Raises Ended for a session that paid nothing of an invoice.
    """
    session = (context.ref("stripe", "checkout.session", wanted.session_id),)
    if wanted.organization not in ("", context.account("togai")):
        why = f"it pays an invoice of {wanted.organization}, and {context.link.id} works on {context.account('togai')}"
        raise Ended("skipped", why, session)
    if wanted.payment_status not in PAID:
        raise Ended("skipped", "it is not paid yet: its payment starts this again", session)
    if _collects(context, wanted.stripe_invoice_id):
        found = await payments.read(context, StripeInvoiceId(stripe_invoice_id=wanted.stripe_invoice_id))
    elif not wanted.invoice_id:
        raise Ended("skipped", f"no invoice of Togai stands behind {wanted.stripe_invoice_id}", session)
    elif wanted.payment_intent:
        named = IntentNamed(payment_intent=wanted.payment_intent, invoice_id=wanted.invoice_id)
        found = await intents.read(context, named)
    elif wanted.stripe_invoice_id:
        found = await _of_other(context, wanted)
    else:
        raise Ended("skipped", f"nothing was paid of {wanted.invoice_id}", session)
    shown = InvoicePaid.model_validate(found.output.model_dump(include=set(InvoicePaid.model_fields)))
    return Result(shown, False, found.notes, (*session, *found.refs))


def _collects(context: Context, stripe_invoice_id: str) -> bool:
    """Whether an invoice of Togai is linked to a Stripe invoice."""
    if not stripe_invoice_id:
        return False
    return context.claims_of(INVOICE.name).index.pair(context.ref("stripe", "invoice", stripe_invoice_id)) is not None


async def _of_other(context: Context, wanted: CheckoutOfInvoice) -> Result:
    """What was paid of a Stripe invoice that the session made, as for a subscription: it collects none of Togai's."""
    invoice = await payments.with_payments(await context.client("stripe"), wanted.stripe_invoice_id)
    found = InvoicePaid(
        invoice_id=wanted.invoice_id,
        stripe_invoice_id=wanted.stripe_invoice_id,
        currency=str(invoice["currency"]).upper(),
        # What it does not cover is closed by nobody.
        status="open",
        payments=payments_of(invoice),
    )
    refs = (context.ref("togai", "invoice", wanted.invoice_id), context.ref("stripe", "invoice", str(invoice["id"])))
    return Result(found, False, (), refs)
