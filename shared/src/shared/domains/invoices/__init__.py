"""Invoices: what Togai bills, as invoices of Stripe, and what was paid of them, back in Togai."""

from __future__ import annotations

from shared.domains.choices import ConflictKind
from shared.domains.invoices import by_hand, checkouts, intents, pages, plain, stripe, subscriptions, taxes, togai
from shared.domains.invoices.flows import FLOWS
from shared.domains.model import Domain, ImportKind, Kind, Relation

INVOICE = Relation("invoice", source=Kind("togai", "invoice"), target=Kind("stripe", "invoice"))
"""An invoice of Togai, and the one at Stripe that collects it."""
INVOICE_PAYMENT = Relation("invoice_payment", source=Kind("stripe", "payment"), target=Kind("togai", "payment"))
"""What was paid of an invoice under one transaction number, and the payment that says so in Togai."""
INVOICE_INTENT = Relation("invoice_intent", source=Kind("togai", "invoice"), target=Kind("stripe", "payment_intent"))
"""An invoice of Togai, and the payment intent that collects it where no Stripe invoice does."""
INVOICE_GROUP = Relation("invoice_group", source=Kind("togai", "invoice_group"), target=Kind("stripe", "customer"))
"""An invoice group of Togai, and the Stripe customer of its own that pays for it."""
INVOICE_TAX = Relation("invoice_tax", source=Kind("togai", "invoice"), target=Kind("stripe", "tax_transaction"))
"""An invoice of Togai, and the transaction that records its tax at Stripe."""

IMPORT = ImportKind(
    "invoices",
    title="every invoice that is due in Togai becomes an invoice in Stripe, also one that is older than the flow link",
    source=INVOICE.source,
    target=INVOICE.target,
    flow="togai-invoice-to-stripe-invoice",
    conflicts=(
        ConflictKind(
            "missing_customer",
            title="no Stripe customer stands behind its account",
            codes=("no_customer",),
            choices=("wait", "leave_out"),
            remedy="`tandem import accounts`, or `tandem customers link`",
        ),
        ConflictKind(
            "missing_email",
            title="its customer has no e-mail address to send it to",
            codes=("no_email",),
            choices=("wait", "leave_out"),
            remedy="add an address",
        ),
    ),
)

DOMAIN = Domain(
    noun="invoice",
    service="invoice-sync",
    triggers=(
        *togai.TRIGGERS,
        *stripe.TRIGGERS,
        *intents.TRIGGERS,
        *subscriptions.TRIGGERS,
        by_hand.REQUESTED,
        pages.TRIGGER,
    ),
    actions=(
        *togai.ACTIONS,
        *stripe.ACTIONS,
        *intents.ACTIONS,
        checkouts.ACTION,
        subscriptions.ACTION,
        by_hand.DECIDE,
        pages.ACTION,
        *plain.ACTIONS,
        *taxes.ACTIONS,
    ),
    flows=FLOWS,
    relations=(INVOICE, INVOICE_PAYMENT, INVOICE_INTENT, INVOICE_GROUP, INVOICE_TAX),
    imports=(IMPORT,),
)
