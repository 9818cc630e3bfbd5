"""Customers: Stripe customers and Togai accounts with the customers above them."""

from __future__ import annotations

from shared.domains.customers import stripe, togai, writes
from shared.domains.customers.flows import FLOWS, LINKS_BY_HAND
from shared.domains.model import ByHand, Domain, ImportKind, Kind, Relation, View

CUSTOMER = Relation(
    "customer",
    source=Kind("togai", "account"),
    target=Kind("stripe", "customer"),
    fields_of=writes.fields_of,
    lasting=writes.lasting,
    by_hand=ByHand(LINKS_BY_HAND.id, stripe.link_change),
)
"""An account and the Stripe customer that pays for it."""

CUSTOMERS = View(
    name="customers",
    title="Customers",
    help="Which customer at Stripe is which account at Togai.",
    relation=CUSTOMER.name,
    columns=(CUSTOMER.target, CUSTOMER.source, Kind("togai", "customer")),
    empty="Make a customer in Stripe or an account in Togai: it appears here within seconds.",
)

IMPORT = ImportKind(
    "customers",
    title="every customer in Stripe becomes a customer with an account in Togai",
    source=CUSTOMER.target,
    flow="stripe-customer-to-togai-customer",
)

IMPORT_ACCOUNTS = ImportKind(
    "accounts",
    title="every account in Togai becomes a customer in Stripe",
    source=CUSTOMER.source,
    flow="togai-account-to-stripe-customer",
    timed=False,
)

DOMAIN = Domain(
    noun="customer",
    service="customer-sync",
    triggers=(*stripe.TRIGGERS, *togai.TRIGGERS),
    actions=(*stripe.ACTIONS, *togai.ACTIONS),
    flows=FLOWS,
    relations=(CUSTOMER,),
    views=(CUSTOMERS,),
    imports=(IMPORT, IMPORT_ACCOUNTS),
)
