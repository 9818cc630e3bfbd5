"""The built-in flows of plans, as data. All move money: on a home with real keys a person switches them on."""

from __future__ import annotations

from shared.domains.flow import Condition, Flow, FlowOption, FlowStep
from shared.domains.invoices.checkouts import ACTION as READ_INVOICE
from shared.domains.invoices.checkouts import CheckoutOfInvoice
from shared.domains.invoices.togai import InvoicePaid
from shared.domains.plans.togai import FIRST_PAYMENT, SUBSCRIPTION

REPLACE = FlowOption(
    name="replace",
    title="Whether a plan that is paid takes the place of another one of the account",
    values=("off", "on"),
)
API = FlowOption(
    name="api",
    title="Which of Togai's APIs reads plans first, and attaches them",
    values=("v1", "v2"),
)
_MODE = FlowOption(name="mode", title="What a payment link asks for", values=(FIRST_PAYMENT, SUBSCRIPTION))

_MAKE_LINK = (
    FlowStep(
        id="product",
        action="stripe.product.create",
        input={
            name: f"{{{{ steps.plan.{name} }}}}"
            for name in (
                "plan_id",
                "account_id",
                "version",
                "name",
                "description",
                "currency",
                "interval",
                "fees",
                "not_sold",
                "email",
                "mode",
                "prices",
            )  # fmt: skip
        },
    ),
    FlowStep(
        id="prices",
        action="stripe.price.create",
        input={
            "plan_id": "{{ steps.plan.plan_id }}",
            "version": "{{ steps.plan.version }}",
            "product_id": "{{ steps.product.product_id }}",
            "fees": "{{ steps.plan.fees }}",
            "prices": "{{ steps.plan.prices }}",
        },
    ),
    FlowStep(
        id="link",
        action="stripe.payment_link.create",
        input={
            "plan_id": "{{ steps.plan.plan_id }}",
            "version": "{{ steps.plan.version }}",
            "account_id": "{{ steps.plan.account_id }}",
            "currency": "{{ steps.plan.currency }}",
            "prices": "{{ steps.prices.prices }}",
            "email": "{{ steps.plan.email }}",
            "mode": "{{ steps.plan.mode }}",
        },
    ),
    FlowStep(
        id="setting",
        action="togai.account.write_payment_link",
        input={"account_id": "{{ steps.plan.account_id }}", "url": "{{ steps.link.url }}"},
    ),
)
"""From what was read of plan and account to the link in the account's Settings."""

PLAN_TO_LINK = Flow(
    id="togai-plan-to-stripe-payment-link",
    title="Togai price plan -> Stripe payment link",
    description="A plan that is offered to an account becomes a product, prices and a payment link in Stripe.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.price_plan.offered",
    moves_money=True,
    options=(_MODE, REPLACE, API),
    steps=(
        FlowStep(
            id="plan",
            action="togai.price_plan.read",
            input={
                "plan_id": "{{ trigger.plan_id }}",
                "account_id": "{{ trigger.account_id }}",
                "flow_link": "{{ trigger.flow_link }}",
            },
        ),
        *_MAKE_LINK,
    ),
)

ATTACHED_TO_LINK = Flow(
    id="togai-attached-plan-to-stripe-payment-link",
    title="Togai plan attached by a person -> Stripe payment link",
    description="An account that got a plan in Togai itself is sold it by a payment link, unless it was paid already.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.price_plan.attached",
    moves_money=True,
    options=(_MODE, API),
    steps=(
        FlowStep(
            id="plan",
            action="togai.price_plan.read",
            input={name: f"{{{{ trigger.{name} }}}}" for name in ("plan_id", "account_id", "schedule_id")},
        ),
        *_MAKE_LINK,
    ),
)

FAILED_TO_LINK = Flow(
    id="stripe-failed-checkout-to-payment-link",
    title="Stripe checkout that failed -> new payment link",
    description="A payment link whose payment failed days later sells no more: the same plan is offered by a new one.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.checkout.session.async_payment_failed",
    moves_money=True,
    options=(REPLACE, API),
    conditions=(Condition(path="plan_id", operator="not_equals", value=""),),
    steps=(
        FlowStep(
            id="plan",
            action="togai.price_plan.read",
            input={
                "plan_id": "{{ trigger.plan_id }}",
                "account_id": "{{ trigger.account_id }}",
                "organization": "{{ trigger.organization }}",
                "failed_link": "{{ trigger.payment_link }}",
                "failed_session": "{{ trigger.session_id }}",
                "mode": "{{ trigger.mode }}",
            },
        ),
        *_MAKE_LINK,
    ),
)

CHECKOUT_TO_PLAN = Flow(
    id="stripe-checkout-to-togai-plan",
    version=3,
    title="Stripe checkout -> Togai plan",
    description="The link is closed, the plan that was paid for is attached to the account, what was paid is counted.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.checkout.session.completed",
    more_triggers=("stripe.checkout.session.async_payment_succeeded",),
    moves_money=True,
    options=(REPLACE, API),
    conditions=(Condition(path="plan_id", operator="not_equals", value=""),),
    steps=(
        FlowStep(
            id="paid",
            action="stripe.payment_intent.read",
            input={
                "payment_intent": "{{ trigger.payment_intent }}",
                "amount": "{{ trigger.amount_total }}",
                "payment_link": "{{ trigger.payment_link }}",
                "plan_id": "{{ trigger.plan_id }}",
                "account_id": "{{ trigger.account_id }}",
                "organization": "{{ trigger.organization }}",
                "payment_status": "{{ trigger.payment_status }}",
                "currency": "{{ trigger.currency }}",
                "invoice_id": "{{ trigger.invoice_id }}",
            },
        ),
        # First of all: while the plan cannot be attached, or the payment is on its way, nobody is to pay a second time.
        FlowStep(
            id="close",
            action="stripe.payment_link.deactivate",
            input={
                "payment_link": "{{ trigger.payment_link }}",
                "session_id": "{{ trigger.session_id }}",
                "plan_id": "{{ trigger.plan_id }}",
                "account_id": "{{ trigger.account_id }}",
                "organization": "{{ trigger.organization }}",
                "payment_status": "{{ trigger.payment_status }}",
            },
        ),
        FlowStep(
            id="customer",
            action="togai.account.add_customer",
            input={
                name: f"{{{{ trigger.{name} }}}}"
                for name in ("session_id", "payment_status", "customer_id", "account_id", "plan_id", "organization")
            },
        ),
        FlowStep(
            id="attach",
            action="togai.price_plan.attach",
            input={
                "session_id": "{{ trigger.session_id }}",
                "plan_id": "{{ trigger.plan_id }}",
                "account_id": "{{ steps.customer.account_id }}",
                "organization": "{{ trigger.organization }}",
                "payment_status": "{{ trigger.payment_status }}",
                "subscription": "{{ trigger.subscription }}",
                "payment_intent": "{{ trigger.payment_intent }}",
            },
        ),
        FlowStep(
            id="payment",
            action="togai.payment.post",
            input={
                "account_id": "{{ steps.customer.account_id }}",
                "payment_intent": "{{ trigger.payment_intent }}",
                "currency": "{{ trigger.currency }}",
                "amount": "{{ steps.paid.amount }}",
                "session_id": "{{ trigger.session_id }}",
            },
        ),
    ),
)

PLAN_TO_PRICES = Flow(
    id="togai-plan-to-stripe-prices",
    title="Togai price plan -> Stripe product and prices",
    description="An active plan has a product with a price for each rate card; a new version replaces its prices.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.price_plan.created",
    more_triggers=("togai.price_plan.updated",),
    moves_money=True,
    options=(API,),
    steps=(
        FlowStep(id="plan", action="togai.price_plan.translate", input={"plan_id": "{{ trigger.plan_id }}"}),
        FlowStep(
            id="catalog",
            action="stripe.product.create_prices",
            input={
                name: f"{{{{ steps.plan.{name} }}}}"
                for name in ("plan_id", "version", "name", "description", "archived", "prices", "not_expressed")
            },
        ),
        FlowStep(
            id="former",
            action="stripe.product.retire_prices",
            input={
                "plan_id": "{{ steps.plan.plan_id }}",
                "version": "{{ steps.plan.version }}",
                "archived": "{{ steps.plan.archived }}",
                "product_id": "{{ steps.catalog.product_id }}",
                "prices": "{{ steps.catalog.prices }}",
            },
        ),
    ),
)

CHECKOUT_TO_PAYMENT = Flow(
    id="stripe-checkout-to-togai-payment",
    title="Stripe checkout of an invoice -> Togai payment",
    description="What a checkout session pays of an invoice of Togai is counted there, once. Its metadata name that "
    "invoice, or the one of Stripe that collects it is the session's.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.checkout.session.completed",
    more_triggers=("stripe.checkout.session.async_payment_succeeded",),
    moves_money=True,
    conditions=(Condition(path="pays_invoice", operator="equals", value=True),),
    steps=(
        FlowStep(
            id="paid",
            action=READ_INVOICE.name,
            input={name: f"{{{{ trigger.{name} }}}}" for name in CheckoutOfInvoice.model_fields},
        ),
        FlowStep(
            id="payment",
            action="togai.invoice.pay",
            input={name: f"{{{{ steps.paid.{name} }}}}" for name in InvoicePaid.model_fields},
        ),
    ),
)

FLOWS = (PLAN_TO_LINK, ATTACHED_TO_LINK, CHECKOUT_TO_PLAN, CHECKOUT_TO_PAYMENT, FAILED_TO_LINK, PLAN_TO_PRICES)
