"""Customers: Stripe customers and Togai accounts with the customers above them."""

from __future__ import annotations

from shared.domains.choices import ConflictKind
from shared.domains.customers import checkouts, stripe, togai, writes
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

FURTHER_CUSTOMERS = View(
    name="further-customers",
    title="Further customers",
    help="Which customer at Stripe a payment link made for an account that has another one.",
    relation=checkouts.FURTHER.name,
    columns=(checkouts.FURTHER.source, CUSTOMER.source),
    empty="Somebody pays by a payment link for an account that has a customer in Stripe: a further one appears here.",
)

SAME_EMAIL = ConflictKind(
    "same_email",
    title="several have the same e-mail address, or another pair has it",
    codes=("same_email",),
    choices=("leave_out", "decide"),
    remedy="link it with `tandem mappings link`, or let it have its own with `tandem mappings separate`",
    separable=True,
)
NAMED_OTHERWISE = ConflictKind(
    "named_otherwise",
    title="its metadata or Settings name another partner, or one that does not exist",
    codes=("conflict",),
    choices=("leave_out", "decide"),
    remedy="correct the metadata or Settings",
)
DOES_NOT_FIT = ConflictKind(
    "does_not_fit",
    title="a value is too long for the other side",
    codes=("too_long", "too_many_keys"),
    choices=("wait", "leave_out"),
    remedy="shorten it",
)
TO_TOGAI = (
    ConflictKind(
        "missing_email",
        title="it has no e-mail address, which Togai demands",
        codes=("no_email",),
        choices=("wait", "leave_out"),
        remedy="add an address in Stripe",
    ),
    ConflictKind(
        "missing_currency",
        title="no rule gives the invoice currency, which Togai never lets change",
        codes=("no_currency",),
        choices=("wait", "leave_out"),
        remedy="write togai_invoice_currency to its metadata in Stripe, or set TANDEM_DEFAULT_CURRENCY",
    ),
    ConflictKind(
        "id_taken",
        title="somebody else's account stands under the id that it would get",
        codes=("id_taken",),
        choices=("leave_out", "decide"),
        remedy="set StripeCustomerId in that account's Settings to link them",
    ),
    ConflictKind(
        "short_name",
        title="its name is shorter than Togai takes",
        codes=("short_name",),
        choices=("pad", "leave_out"),
        remedy="give it a name of three characters in Stripe",
    ),
    SAME_EMAIL,
    NAMED_OTHERWISE,
    DOES_NOT_FIT,
)
"""The conflicts of Stripe's customers."""

IMPORT = ImportKind(
    "customers",
    title="every customer in Stripe becomes a customer with an account in Togai",
    source=CUSTOMER.target,
    target=CUSTOMER.source,
    flow="stripe-customer-to-togai-customer",
    sliced=True,
    conflicts=TO_TOGAI,
)

IMPORT_ACCOUNTS = ImportKind(
    "accounts",
    title="every account in Togai becomes a customer in Stripe",
    source=CUSTOMER.source,
    target=CUSTOMER.target,
    flow="togai-account-to-stripe-customer",
    timed=False,
    conflicts=(SAME_EMAIL, NAMED_OTHERWISE, DOES_NOT_FIT),
)

DOMAIN = Domain(
    noun="customer",
    service="customer-sync",
    triggers=(*stripe.TRIGGERS, *togai.TRIGGERS),
    actions=(*stripe.ACTIONS, *togai.ACTIONS, checkouts.ACTION),
    flows=FLOWS,
    relations=(CUSTOMER, checkouts.FURTHER),
    views=(CUSTOMERS, FURTHER_CUSTOMERS),
    imports=(IMPORT, IMPORT_ACCOUNTS),
)
