"""The customer of a paid checkout: the account that it is of, or becomes."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from shared.domains.model import Action, Kind, Relation
from shared.model import Model

FURTHER = Relation("further_customer", source=Kind("stripe", "customer"), target=Kind("togai", "payer"))
"""A Stripe customer that a payment link made for an account that has another one: Stripe cannot merge the two. The
payer's id holds both ids, the link's `also` the account.
"""


class CheckoutCustomer(Model):
    """Input: whom a checkout names, as its metadata say (`account_id`, `plan_id`, `organization`), and who paid."""

    model_config = ConfigDict(extra="forbid")

    session_id: str
    payment_status: str
    customer_id: str = Field("", description="empty: a guest paid, of whom Stripe keeps no customer")
    account_id: str = ""
    plan_id: str = ""
    organization: str = ""


class CheckoutAccount(Model):
    """Output: the account that gets what was paid for."""

    account_id: str


def _subject(found: CheckoutCustomer) -> tuple[str, str, str]:
    if found.customer_id:
        return ("stripe", "customer", found.customer_id)
    if found.account_id:
        return ("togai", "account", found.account_id)
    return ("stripe", "checkout.session", found.session_id)


ACTION = Action(
    name="togai.account.add_customer",
    app="togai",
    title="Find or make the account of a checkout's customer",
    input=CheckoutCustomer,
    output=CheckoutAccount,
    rights=("Customers: read", "Checkout Sessions: read"),
    subject=_subject,
)
