"""The built-in flows, as data: the runner runs them like any other."""

from __future__ import annotations

from shared.flows.model import Flow, FlowStep

ACCOUNT_TO_CUSTOMER = Flow(
    id="togai-account-to-stripe-customer",
    version=1,
    title="Togai account -> Stripe customer",
    description="Every account made in Togai becomes a customer in Stripe, each knowing the other's id.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.account.created",
    pairs=True,
    steps=(
        FlowStep(id="account", action="togai.account.read", input={"account_id": "{{ trigger.account_id }}"}),
        FlowStep(
            id="customer",
            action="stripe.customer.create",
            input={
                "togai_account_id": "{{ steps.account.account_id }}",
                "togai_customer_id": "{{ steps.account.customer_id }}",
                "customer_name": "{{ steps.account.customer_name }}",
                "account_name": "{{ steps.account.account_name }}",
                "email": "{{ steps.account.email }}",
                "phone": "{{ steps.account.phone }}",
                "address": "{{ steps.account.address }}",
                "stripe_customer_id": "{{ steps.account.stripe_customer_id }}",
            },
        ),
        FlowStep(
            id="setting",
            action="togai.account.write_stripe_id",
            input={
                "account_id": "{{ steps.account.account_id }}",
                "stripe_customer_id": "{{ steps.customer.customer_id }}",
                "known": "{{ steps.account.stripe_customer_id }}",
            },
        ),
    ),
)

CUSTOMER_TO_ACCOUNT = Flow(
    id="stripe-customer-to-togai-customer",
    version=1,
    title="Stripe customer -> Togai customer and account",
    description="Every customer made in Stripe becomes a customer with one account in Togai.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.customer.created",
    pairs=True,
    steps=(
        FlowStep(
            id="customer",
            action="togai.customer.create",
            input={
                "customer": "{{ trigger.customer }}",
                "idempotency_key": "{{ trigger.idempotency_key }}",
            },
        ),
        FlowStep(
            id="metadata",
            action="stripe.customer.write_togai_ids",
            input={
                "customer_id": "{{ trigger.customer.id }}",
                "togai_customer_id": "{{ steps.customer.togai_customer_id }}",
                "togai_account_id": "{{ steps.customer.togai_account_id }}",
            },
        ),
    ),
)

BUILT_IN: dict[str, Flow] = {flow.id: flow for flow in (ACCOUNT_TO_CUSTOMER, CUSTOMER_TO_ACCOUNT)}
