"""What plan-sync does: one function for each action of its domain."""

from __future__ import annotations

from collections.abc import Mapping

from shared.runtime.actions import Implementation

from plan_sync.actions import (
    catalog,
    checkouts,
    open_offers,
    payment_links,
    payments,
    plain,
    plans,
    price_links,
    products,
    sessions,
    sign_in,
    subscriptions,
)

IMPLEMENTATIONS: Mapping[str, Implementation] = {
    "togai.price_plan.read": plans.read,
    "togai.price_plan.translate": catalog.translate,
    "stripe.product.create_prices": catalog.create_prices,
    "stripe.product.retire_prices": catalog.retire_prices,
    "togai.account.write_payment_link": payment_links.write_setting,
    "togai.price_plan.attach": checkouts.attach,
    "togai.payment.post": checkouts.post_payment,
    "stripe.payment_intent.read": checkouts.read_payment,
    "stripe.product.create": products.create_product,
    "stripe.price.create": products.create_prices,
    "stripe.payment_link.create": payment_links.create,
    "stripe.payment_link.deactivate": sessions.close_others,
    "stripe.payment_link.close_of_archived_plan": open_offers.close_of_archived_plan,
    "stripe.checkout_session.create": sessions.create,
    "stripe.checkout_session.read": payments.read,
    "togai.account.mail_sign_in": sign_in.send,
    "stripe.price.change_link": price_links.change_link,
    "stripe.product.add": plain.add_product,
    "stripe.price.add": plain.add_price,
    "stripe.payment_link.add": plain.add_payment_link,
    "stripe.payment_link.close": plain.close_payment_link,
    "stripe.subscription.list": plain.list_subscriptions,
    "togai.account.associate_price_plan": plain.associate_price_plan,
    "stripe.subscription.read": subscriptions.read,
    "togai.price_plan.follow_subscription": subscriptions.follow,
    "togai.price_plan.follows": subscriptions.follows,
    "stripe.subscription.end_with_period": subscriptions.end_with_period,
}
