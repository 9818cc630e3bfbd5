"""Customers: Stripe customers and Togai accounts with the customers above them."""

from __future__ import annotations

from shared.domains.customers import stripe, togai
from shared.domains.customers.flows import FLOWS
from shared.domains.model import Domain

DOMAIN = Domain(
    noun="customer",
    service="customer-sync",
    triggers=(*stripe.TRIGGERS, *togai.TRIGGERS),
    actions=(*stripe.ACTIONS, *togai.ACTIONS),
    flows=FLOWS,
)
