"""What invoice-sync does: one function for each action of its domain."""

from __future__ import annotations

from collections.abc import Mapping

from shared.domains.invoices import pages
from shared.domains.invoices import taxes as taxed
from shared.domains.invoices.checkouts import ACTION as READ_CHECKOUT
from shared.domains.invoices.intents import CHARGE, READ
from shared.domains.invoices.plain import ADD, FINALIZE, MARK_PAID, SEND, TRANSFORM
from shared.runtime.actions import Implementation

from invoice_sync.actions import (
    checkouts,
    closing,
    drafts,
    holding,
    intents,
    invoices,
    paying,
    payments,
    plain,
    recheck,
    sending,
    states,
    taxes,
)

IMPLEMENTATIONS: Mapping[str, Implementation] = {
    CHARGE: intents.charge,
    READ: intents.read,
    pages.ACTION.name: paying.prepare,
    taxed.READ: taxes.read,
    taxed.RECORD: taxes.record,
    taxed.WRITE: taxes.write,
    TRANSFORM: plain.transform,
    ADD: plain.add,
    FINALIZE: plain.finalize,
    SEND: plain.send,
    MARK_PAID: plain.mark_paid,
    READ_CHECKOUT.name: checkouts.read,
    "togai.invoice.read": invoices.read,
    "togai.invoice.read_status": closing.read_status,
    "togai.invoice.write_stripe_id": invoices.write_stripe_id,
    "togai.invoice.pay": payments.pay,
    "togai.invoice.decide": holding.decide,
    "togai.invoice.record": states.record,
    "togai.invoice.recheck": recheck.recheck,
    "stripe.invoice.create": drafts.create,
    "stripe.invoice.finalize": drafts.finalize,
    "stripe.invoice.send": sending.send,
    "stripe.invoice.close": closing.close,
    "stripe.invoice.read_payments": payments.read,
    "stripe.invoice.read_state": states.read,
}
