"""The built-in flows of plans, as data. Both move money: on a home with real keys a person switches them on."""

from __future__ import annotations

from shared.domains.flow import Condition, Flow, FlowStep

PLAN_TO_LINK = Flow(
    id="togai-plan-to-stripe-payment-link",
    title="Togai price plan -> Stripe payment link",
    description="A plan that is offered to an account becomes a product, prices and a payment link in Stripe.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.price_plan.offered",
    moves_money=True,
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
            },
        ),
        FlowStep(
            id="setting",
            action="togai.account.write_payment_link",
            input={"account_id": "{{ steps.plan.account_id }}", "url": "{{ steps.link.url }}"},
        ),
    ),
)


def _checkout_flow(id_: str, title: str, trigger: str) -> Flow:
    return Flow(
        id=id_,
        title=title,
        description="The plan that was paid for is attached to the account, what was paid is counted, the link closed.",
        direction="inbound",
        visibility="built-in",
        trigger=trigger,
        moves_money=True,
        conditions=(Condition(path="plan_id", operator="not_equals", value=""),),
        steps=(
            FlowStep(
                id="paid",
                action="stripe.payment_intent.read",
                input={"payment_intent": "{{ trigger.payment_intent }}", "amount": "{{ trigger.amount_total }}"},
            ),
            FlowStep(
                id="attach",
                action="togai.price_plan.attach",
                input={
                    "session_id": "{{ trigger.session_id }}",
                    "plan_id": "{{ trigger.plan_id }}",
                    "account_id": "{{ trigger.account_id }}",
                    "organization": "{{ trigger.organization }}",
                    "payment_status": "{{ trigger.payment_status }}",
                },
            ),
            FlowStep(
                id="payment",
                action="togai.payment.post",
                input={
                    "account_id": "{{ trigger.account_id }}",
                    "payment_intent": "{{ trigger.payment_intent }}",
                    "currency": "{{ trigger.currency }}",
                    "amount": "{{ steps.paid.amount }}",
                    "session_id": "{{ trigger.session_id }}",
                },
            ),
            FlowStep(
                id="close",
                action="stripe.payment_link.deactivate",
                input={"payment_link": "{{ trigger.payment_link }}"},
            ),
        ),
    )


CHECKOUT_TO_PLAN = _checkout_flow(
    "stripe-checkout-to-togai-plan", "Stripe checkout -> Togai plan", "stripe.checkout.session.completed"
)
LATE_CHECKOUT_TO_PLAN = _checkout_flow(
    "stripe-late-checkout-to-togai-plan",
    "Stripe checkout that is paid later -> Togai plan",
    "stripe.checkout.session.async_payment_succeeded",
)

FLOWS = (PLAN_TO_LINK, CHECKOUT_TO_PLAN, LATE_CHECKOUT_TO_PLAN)
