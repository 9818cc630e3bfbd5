"""The built-in flows of invoices, as data. Those that move money a person switches on, on a home with real keys."""

from __future__ import annotations

from shared.domains.flow import Flow, FlowOption, FlowStep
from shared.domains.invoices.by_hand import INVOICES_BY_HAND
from shared.domains.invoices.intents import INTENT_TO_TOGAI, INVOICE_TO_INTENT
from shared.domains.invoices.pages import INVOICE_TO_PAYMENT_FORM
from shared.domains.invoices.stripe import CHANGES, StripeInvoiceNamed
from shared.domains.invoices.subscriptions import SUBSCRIPTION_TO_INVOICES
from shared.domains.invoices.taxes import DRAFT_TO_TAX
from shared.domains.invoices.togai import InvoicePaid, InvoiceStatus, InvoiceToRecord

_FACTS = (
    "invoice_id", "account_id", "group_id", "number", "currency", "total", "lines", "due_date", "net_term_days"
)  # fmt: skip
_GATE = ("invoice_id", "currency", "total", "lines", "account_id", "group_id", "plan_id", "made_at")

INVOICE_TO_STRIPE = Flow(
    id="togai-invoice-to-stripe-invoice",
    title="Togai invoice -> Stripe invoice",
    description="An invoice that is due in Togai becomes an invoice in Stripe, equal to the cent, and is sent.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.invoice.generated",
    more_triggers=("togai.invoice.updated", "togai.order.generated"),
    moves_money=True,
    sends_email=True,
    options=(
        FlowOption(name="collection", title="How Stripe collects", values=("send_invoice", "charge_automatically")),
        FlowOption(
            name="email_missing",
            title="Where neither side has an e-mail address to send it to",
            values=("hold", "charge_automatically"),
        ),
        FlowOption(name="bank_transfer", title="Whether a bank transfer may pay it", values=("off", "on")),
        FlowOption(
            name="covered", title="What becomes of what a subscription at Stripe bills", values=("hold", "exclude")
        ),
        FlowOption(name="tax", title="Who calculates tax", values=("togai", "stripe")),
        FlowOption(name="number", title="Whether Togai's number becomes Stripe's", values=("off", "on")),
    ),
    steps=(
        FlowStep(id="invoice", action="togai.invoice.read", input={"invoice_id": "{{ trigger.invoice_id }}"}),
        FlowStep(
            id="draft",
            action="stripe.invoice.create",
            input={name: f"{{{{ steps.invoice.{name} }}}}" for name in _FACTS},
        ),
        FlowStep(
            id="finalized",
            action="stripe.invoice.finalize",
            input={name: f"{{{{ steps.invoice.{name} }}}}" for name in _GATE}
            | {"stripe_invoice_id": "{{ steps.draft.stripe_invoice_id }}"},
        ),
        FlowStep(
            id="sent",
            action="stripe.invoice.send",
            input={
                "invoice_id": "{{ steps.invoice.invoice_id }}",
                "stripe_invoice_id": "{{ steps.finalized.stripe_invoice_id }}",
                "is_new": "{{ steps.finalized.is_new }}",
                "finalized_at": "{{ steps.finalized.finalized_at }}",
                "is_sent": "{{ steps.finalized.is_sent }}",
            },
        ),
        FlowStep(
            id="settings",
            action="togai.invoice.write_stripe_id",
            input={
                "invoice_id": "{{ steps.invoice.invoice_id }}",
                "stripe_invoice_id": "{{ steps.finalized.stripe_invoice_id }}",
                "url": "{{ steps.finalized.url }}",
            },
        ),
    ),
)

CLOSED_TO_STRIPE = Flow(
    id="togai-invoice-closed-to-stripe-invoice",
    title="Togai invoice closed -> Stripe invoice closed",
    description="What Togai voids, gives up or holds for paid is asked for no more in Stripe, by an invoice or a "
    "payment intent. No money moves.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.invoice.updated",
    moves_money=True,
    steps=(
        FlowStep(id="status", action="togai.invoice.read_status", input={"invoice_id": "{{ trigger.invoice_id }}"}),
        FlowStep(
            id="closed",
            action="stripe.invoice.close",
            input={name: f"{{{{ steps.status.{name} }}}}" for name in InvoiceStatus.model_fields},
        ),
    ),
)

PAYMENT_TO_TOGAI = Flow(
    id="stripe-invoice-payment-to-togai-payment",
    title="Stripe invoice payment -> Togai payment",
    description="What is paid of an invoice in Stripe is counted in Togai, once.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.invoice.paid",
    more_triggers=("stripe.invoice_payment.paid",),
    moves_money=True,
    steps=(
        FlowStep(
            id="paid",
            action="stripe.invoice.read_payments",
            input={"stripe_invoice_id": "{{ trigger.invoice_id }}", "unknown_version": "{{ trigger.unknown_version }}"},
        ),
        FlowStep(
            id="payment",
            action="togai.invoice.pay",
            input={name: f"{{{{ steps.paid.{name} }}}}" for name in InvoicePaid.model_fields},
        ),
    ),
)

CHANGED_TO_TOGAI = Flow(
    id="stripe-invoice-changed-to-togai-invoice",
    title="Stripe invoice changed -> Togai invoice",
    description="What is voided, given up, refunded, disputed or credited in Stripe stands at Togai's invoice too. No "
    "money moves.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.invoice.voided",
    # Paid after a failure: what Togai's Settings say of the failure goes.
    more_triggers=(*(one.name for one in CHANGES if one.name != "stripe.invoice.voided"), "stripe.invoice.paid"),
    moves_money=True,
    steps=(
        FlowStep(
            id="state",
            action="stripe.invoice.read_state",
            input={name: f"{{{{ trigger.{name} }}}}" for name in StripeInvoiceNamed.model_fields},
        ),
        FlowStep(
            id="recorded",
            action="togai.invoice.record",
            input={name: f"{{{{ steps.state.{name} }}}}" for name in InvoiceToRecord.model_fields},
        ),
    ),
)

FLOWS = (
    INVOICE_TO_STRIPE,
    CLOSED_TO_STRIPE,
    PAYMENT_TO_TOGAI,
    CHANGED_TO_TOGAI,
    SUBSCRIPTION_TO_INVOICES,
    INVOICES_BY_HAND,
    INVOICE_TO_INTENT,
    INTENT_TO_TOGAI,
    INVOICE_TO_PAYMENT_FORM,
    DRAFT_TO_TAX,
)
