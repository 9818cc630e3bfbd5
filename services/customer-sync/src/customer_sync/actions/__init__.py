"""The actions that customer-sync owns, by their names in the catalog."""

from __future__ import annotations

from collections.abc import Mapping

from shared.flows.actions import Implementation

from customer_sync.actions import in_step, links, stripe, togai

IMPLEMENTATIONS: Mapping[str, Implementation] = {
    "stripe.customer.create": stripe.create_customer,
    "stripe.customer.write_togai_ids": stripe.write_togai_ids,
    "stripe.customer.keep_in_step": in_step.after_togai,
    "stripe.customer.change_link": links.change_link,
    "togai.account.keep_in_step": in_step.after_stripe,
    "togai.account.read": togai.read_account,
    "togai.account.write_stripe_id": togai.write_stripe_id,
    "togai.customer.create": togai.create_customer,
}
