"""An invoice of Togai as the Stripe invoice that is to be made. Pure."""

from __future__ import annotations

from shared.domains.invoices.plain import InvoiceObject, InvoiceTransformed, TransformInvoice
from shared.domains.invoices.stripe import metadata_of

from invoice_sync.decide import due_params
from invoice_sync.terms import SEND, number_params


def transformed(wanted: TransformInvoice, organization: str, now: float) -> tuple[InvoiceTransformed, str]:
    """The invoice object, and a note where Togai's number goes elsewhere than asked for. `now` is in epoch seconds."""
    placed, note = number_params(wanted.number, is_own=wanted.own_number, is_taken=False)
    sends = wanted.collection_method == SEND
    due = due_params(wanted.due_date, wanted.net_term_days, wanted.days_until_due, now) if sends else {}
    made = InvoiceObject(
        customer_id=wanted.customer_id,
        currency=wanted.currency,
        collection_method=wanted.collection_method,
        metadata=metadata_of(wanted.invoice_id, wanted.account_id, wanted.group_id, organization),
        lines=wanted.lines,
        **due,
        **placed,
    )
    total = sum(line.amount + sum(tax.amount for tax in line.taxes) for line in wanted.lines)
    return InvoiceTransformed(invoice=made, total=total), note
