"""Price plans: what Togai sells, as products, prices and payment links of Stripe, and what a paid checkout attaches."""

from __future__ import annotations

from shared.domains.model import ByHand, Domain, Kind, Relation, View
from shared.domains.plans import archived, by_hand, payments, plain, sessions, sign_in, stripe, subscriptions, togai
from shared.domains.plans.flows import FLOWS
from shared.domains.plans.subscriptions import SUBSCRIBED

PRODUCT = Relation("product", source=Kind("togai", "price_plan"), target=Kind("stripe", "product"))
"""A plan and the product that represents it."""
PRICE = Relation(
    "price",
    source=Kind("togai", "rate_card"),
    target=Kind("stripe", "price"),
    by_hand=ByHand(by_hand.PRICES_BY_HAND.id, by_hand.link_change),
)
"""What one version of a plan asks for one thing, and the price that says the same."""
METER = Relation("meter", source=Kind("togai", "billable"), target=Kind("stripe", "billing.meter"))
"""What Togai meters, and the meter behind the prices that ask for it."""
OFFER = Relation("offer", source=Kind("togai", "offer"), target=Kind("stripe", "payment_link"))
"""A plan that is offered to an account, and the link by which it is paid."""
CHECKOUT = Relation("checkout", source=Kind("togai", "offer"), target=Kind("stripe", "checkout.session"))
"""An offer, and a session that Tandem made for it: its page lets the account's own Stripe customer pay."""
ATTACHED = Relation("attached", source=Kind("stripe", "checkout.session"), target=Kind("togai", "schedule"))
"""A paid checkout, and the schedule by which the account has the plan."""
CHECKOUT_PAYMENT = Relation(
    "checkout_payment", source=Kind("stripe", "payment_intent"), target=Kind("togai", "payment")
)
"""What was paid at a checkout, and the payment that counts it in Togai."""

OFFERS = View(
    name="offers",
    title="Offers",
    help="Which plan was offered to which account, and the payment link.",
    relation=OFFER.name,
    columns=(OFFER.source, OFFER.target),
    empty="Offer a plan to an account: it appears here.",
)

PRICES = View(
    name="prices",
    title="Prices",
    help="Which price at Stripe asks for what of which plan at Togai.",
    relation=PRICE.name,
    columns=(PRICE.source, PRICE.target),
    empty="Switch on togai-plan-to-stripe-prices, or link one that was there before: it appears here.",
)

DOMAIN = Domain(
    noun="plan",
    service="plan-sync",
    triggers=(
        *togai.TRIGGERS,
        *stripe.TRIGGERS,
        sessions.TRIGGER,
        sign_in.TRIGGER,
        *subscriptions.TRIGGERS,
        by_hand.REQUESTED,
    ),
    actions=(
        *togai.ACTIONS,
        *stripe.ACTIONS,
        sessions.ACTION,
        sign_in.ACTION,
        payments.ACTION,
        archived.ACTION,
        *subscriptions.ACTIONS,
        by_hand.CHANGE_LINK,
        *plain.ACTIONS,
    ),
    flows=(
        *FLOWS,
        sessions.FLOW,
        sign_in.FLOW,
        archived.FLOW,
        payments.CHECKOUT_ENDED,
        payments.REFUND_SHOWN,
        subscriptions.IMPORT_FLOW,
        subscriptions.END_FLOW,
        by_hand.PRICES_BY_HAND,
    ),
    relations=(PRODUCT, PRICE, METER, OFFER, CHECKOUT, ATTACHED, CHECKOUT_PAYMENT, SUBSCRIBED),
    views=(OFFERS, PRICES),
    imports=(subscriptions.IMPORT, subscriptions.IMPORT_ENDS),
)
