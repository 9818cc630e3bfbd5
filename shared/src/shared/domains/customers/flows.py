"""The built-in flows, as data: the runner runs them like any other."""

from __future__ import annotations

from shared.domains.flow import Flow, FlowStep

ACCOUNT_TO_CUSTOMER = Flow(
    id="togai-account-to-stripe-customer",
    version=3,
    title="Togai account -> Stripe customer",
    description="Every account made in Togai becomes a customer in Stripe, each knowing the other's id.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.account.created",
    makes="customer",
    steps=(
        FlowStep(
            id="account",
            action="togai.account.read",
            input={"account_id": "{{ trigger.account_id }}", "unlinked": True},
        ),
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
                "metadata": "{{ steps.account.metadata }}",
                "status": "{{ steps.account.status }}",
                "stripe_customer_id": "{{ steps.account.stripe_customer_id }}",
                "content": "{{ steps.account.content }}",
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
        FlowStep(
            id="pair",
            action="stripe.customer.sync_fields",
            input={
                "account_id": "{{ steps.account.account_id }}",
                "made_equal": "{{ steps.customer.created }}",
            },
        ),
    ),
)

CUSTOMER_TO_ACCOUNT = Flow(
    id="stripe-customer-to-togai-customer",
    version=3,
    title="Stripe customer -> Togai customer and account",
    description="Every customer made in Stripe becomes a customer with one account in Togai.",
    direction="inbound",
    visibility="built-in",
    trigger="stripe.customer.created",
    makes="customer",
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
                "customer": "{{ trigger.customer }}",
            },
        ),
        FlowStep(
            id="pair",
            action="togai.account.sync_fields",
            input={
                "customer": "{{ trigger.customer }}",
                "made_equal": "{{ steps.customer.created }}",
                # A change whose event came before the creation is read by nobody else any more.
                "unchanged": "{{ steps.metadata.unchanged }}",
            },
        ),
    ),
)

ACCOUNT_CHANGES = Flow(
    id="togai-account-changes",
    version=1,
    title="Changes in Togai -> Stripe",
    description="What is changed or archived in Togai reaches the linked Stripe customer; each field has one owner.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.account.updated",
    steps=(
        FlowStep(
            id="pair",
            action="stripe.customer.sync_fields",
            input={
                "account_id": "{{ trigger.account_id }}",
                "account": "{{ trigger.account }}",
                "customer": "{{ trigger.customer }}",
            },
        ),
    ),
)


def _from_stripe(what: str, title: str, description: str, trigger: str) -> Flow:
    return Flow(
        id=f"stripe-customer-{what}",
        version=1,
        title=title,
        description=description,
        direction="inbound",
        visibility="built-in",
        trigger=trigger,
        steps=(
            FlowStep(
                id="pair",
                action="togai.account.sync_fields",
                input={
                    "customer": "{{ trigger.customer }}",
                    "idempotency_key": "{{ trigger.idempotency_key }}",
                    "changed": "{{ trigger.changed }}",
                },
            ),
        ),
    )


CUSTOMER_CHANGES = _from_stripe(
    "changes",
    "Changes in Stripe -> Togai",
    "What is changed in Stripe reaches the linked Togai account and customer; each field has one owner.",
    "stripe.customer.updated",
)
CUSTOMER_DELETION = _from_stripe(
    "deletion",
    "Customer deleted in Stripe -> mark on the link",
    "The Togai account stays active; the link shows that the Stripe customer is gone, and no event makes it again.",
    "stripe.customer.deleted",
)
LINKS_BY_HAND = Flow(
    id="links-by-hand",
    version=3,
    title="Links changed by hand",
    description="What a person links, unlinks, relinks or reverts in the console or by `tandem` is done and compared.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.account.link_requested",
    steps=(
        FlowStep(
            id="link",
            action="stripe.customer.change_link",
            input={
                "change": "{{ trigger.change }}",
                "togai_account_id": "{{ trigger.togai_account_id }}",
                "stripe_customer_id": "{{ trigger.stripe_customer_id }}",
                "reason": "{{ trigger.reason }}",
                "writes": "{{ trigger.writes }}",
                "flow_link": "{{ trigger.flow_link }}",
            },
        ),
        FlowStep(
            id="pair",
            action="stripe.customer.sync_fields",
            input={"account_id": "{{ steps.link.togai_account_id }}"},
        ),
    ),
)

FLOWS = (
    ACCOUNT_TO_CUSTOMER,
    CUSTOMER_TO_ACCOUNT,
    ACCOUNT_CHANGES,
    CUSTOMER_CHANGES,
    CUSTOMER_DELETION,
    LINKS_BY_HAND,
)
