"""The actions that customer-sync owns, by their names in the catalog."""

from __future__ import annotations

from collections.abc import Mapping

from shared.runtime.actions import Implementation

from customer_sync.actions import checkouts, links, stripe, sync_fields, togai, togai_settings

IMPLEMENTATIONS: Mapping[str, Implementation] = {
    "stripe.customer.create": stripe.create_customer,
    "stripe.customer.write_togai_ids": stripe.write_togai_ids,
    "stripe.customer.sync_fields": sync_fields.after_togai,
    "stripe.customer.change_link": links.change_link,
    "togai.account.sync_fields": sync_fields.after_stripe,
    "togai.account.add_customer": checkouts.add_customer,
    "togai.account.read": togai.read_account,
    "togai.account.write_stripe_id": togai_settings.write_stripe_id,
    "togai.customer.create": togai.create_customer,
}
