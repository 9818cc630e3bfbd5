"""Customers: Stripe customers and Togai accounts with the customers above them."""

from __future__ import annotations

from shared.domains.customers import stripe, togai, writes
from shared.domains.customers.flows import FLOWS
from shared.domains.model import Domain, Kind, Relation

CUSTOMER = Relation(
    "customer",
    source=Kind("togai", "account"),
    target=Kind("stripe", "customer"),
    fields_of=writes.fields_of,
    lasting=writes.lasting,
)
"""An account and the Stripe customer that pays for it."""

DOMAIN = Domain(
    noun="customer",
    service="customer-sync",
    triggers=(*stripe.TRIGGERS, *togai.TRIGGERS),
    actions=(*stripe.ACTIONS, *togai.ACTIONS),
    flows=FLOWS,
    relations=(CUSTOMER,),
)
