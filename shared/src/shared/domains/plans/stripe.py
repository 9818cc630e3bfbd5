"""Plans at Stripe: products, prices, payment links and checkouts."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from shared.apps.stripe.webhooks import data_object
from shared.domains.invoices.stripe import INVOICE_ID
from shared.domains.model import Action, Trigger
from shared.domains.plans.prices import CatalogMade, FormerPrices, PlanCatalog, PlanPrice, Retired
from shared.domains.plans.togai import FIRST_PAYMENT, SUBSCRIPTION, Done, Fee, PlanFacts
from shared.errors import Malformed
from shared.model import Model

PLAN, ACCOUNT, VERSION, ORGANIZATION = (
    "togai_price_plan_id",
    "togai_account_id",
    "togai_price_plan_version",
    "togai_app_account",
)
"""Names in the metadata of a payment link, which Stripe copies to each of its sessions."""
CLOSED_FOR = "togai_closed_for_price_plan"
"""In the metadata of a payment link that was closed since its account bought another plan: it can be offered again."""
CARD = "togai_rate_card"
"""In the metadata of a price that stands in the catalog: what it is the price of."""


PAID = ("paid", "no_payment_required")
"""Payment statuses of a checkout that is owed nothing more."""


class Checkout(Model):
    """A checkout session as an event shows it. Plan and account are what its metadata name, empty for none."""

    model_config = ConfigDict(frozen=True)

    session_id: str
    payment_status: str
    plan_id: str = ""
    account_id: str = ""
    organization: str = Field("", description="Togai's app account, as the metadata name it")
    payment_link: str = ""
    payment_intent: str = ""
    currency: str = ""
    amount_total: int = 0
    mode: str = FIRST_PAYMENT
    subscription: str = ""
    customer_id: str = Field("", description="who paid; empty for a guest")
    invoice_id: str = Field("", description="the invoice of Togai that its metadata name: it pays that one")
    stripe_invoice_id: str = Field("", description="the invoice that Stripe has for it, as for a subscription")
    pays_invoice: bool = Field(
        False, description="it names an invoice of Togai, or has one of Stripe and sells no plan of Togai"
    )


class Paid(Model):
    """What a checkout paid, in minor units, and for which offer."""

    model_config = ConfigDict(extra="forbid")

    payment_intent: str = Field("", description="empty: there was nothing to pay")
    amount: int
    payment_link: str = ""
    plan_id: str = ""
    account_id: str = ""
    organization: str = ""
    payment_status: str = ""
    currency: str = ""
    invoice_id: str = Field("", description="the invoice of Togai that it pays; empty where it buys a plan")


class PaymentLeft(Model):
    """What is left of a payment, in minor units: what was paid less what was given back (`refunded`). `payment_status`
    is the checkout's: an unpaid one is on its way.
    """

    amount: int
    refunded: int = 0
    payment_status: str = ""
    currency: str = ""


class ProductMade(Model):
    """The plan's product."""

    product_id: str


class NewPrices(Model):
    """The fees of a plan's version, and the product whose prices they become."""

    model_config = ConfigDict(extra="forbid")

    plan_id: str
    version: int
    product_id: str
    fees: list[Fee]
    prices: list[PlanPrice] = []


class PricesMade(Model):
    """The price of each fee, by its rate card, and what no price can say, a sentence each."""

    prices: dict[str, str]
    not_sold: list[str] = []


class NewPaymentLink(Model):
    """What the link sells: one of each price."""

    model_config = ConfigDict(extra="forbid")

    plan_id: str
    version: int
    account_id: str
    currency: str
    prices: dict[str, str]
    mode: str = FIRST_PAYMENT
    email: str = Field("", description="stands in the page that the link opens")


class PaymentLinkMade(Model):
    """The link. Its address names whom it is for."""

    payment_link: str
    url: str


class ClosedLink(Model):
    """A link, or a session, by which an offer was paid: nothing else is to sell the same."""

    model_config = ConfigDict(extra="forbid")

    payment_link: str = ""
    session_id: str = ""
    plan_id: str = ""
    account_id: str = ""
    organization: str = Field("", description="Togai's app account that the offer was of; empty: it is not known")
    payment_status: str = Field("", description="the checkout's: one that is on its way closes its own offer alone")


class WaysClosed(Done):
    """The links and sessions that were closed."""

    closed: list[str] = []


def checkout(body: Any) -> Checkout:
    """What a session's event says. Raises Malformed."""
    found = data_object(body)
    if not found or found[0] != "checkout.session":
        raise Malformed("the event shows no checkout session")
    session = body["data"]["object"]
    metadata = session.get("metadata") or {}
    plan, invoice, of_stripe = metadata.get(PLAN, ""), metadata.get(INVOICE_ID, ""), session.get("invoice") or ""
    try:
        return Checkout(
            session_id=found[1],
            payment_status=session["payment_status"],
            plan_id=plan,
            account_id=metadata.get(ACCOUNT, ""),
            organization=metadata.get(ORGANIZATION, ""),
            payment_link=session.get("payment_link") or "",
            payment_intent=session.get("payment_intent") or "",
            currency=session.get("currency") or "",
            amount_total=session.get("amount_total") or 0,
            mode=SUBSCRIPTION if session.get("mode") == "subscription" else FIRST_PAYMENT,
            subscription=session.get("subscription") or "",
            customer_id=session.get("customer") or "",
            invoice_id=invoice,
            stripe_invoice_id=of_stripe,
            pays_invoice=bool(invoice or (of_stripe and not plan)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed(f"the event's checkout session cannot be read: {error}") from error


def _trigger(name: str, title: str) -> Trigger:
    return Trigger(
        name=f"stripe.checkout.session.{name}",
        app="stripe",
        title=title,
        output=Checkout,
        subject=data_object,
        extract=checkout,
        by_state=False,
        rights=("Events: read",),
    )


TRIGGERS = (
    _trigger("completed", "Checkout completed"),
    _trigger("async_payment_succeeded", "Checkout paid later"),
    _trigger("async_payment_failed", "Checkout whose payment failed later"),
    _trigger("expired", "Checkout expired unpaid"),
)

ACTIONS = (
    Action(
        name="stripe.payment_intent.read",
        app="stripe",
        title="Read what is left of a payment",
        input=Paid,
        output=PaymentLeft,
        reads=True,
        rights=("Checkout Sessions: read", "PaymentIntents: read", "Charges and Refunds: read", "Invoices: read"),
    ),
    Action(
        name="stripe.product.create",
        app="stripe",
        title="Make or find a plan's product",
        input=PlanFacts,
        output=ProductMade,
        rights=("Products: write",),
    ),
    Action(
        name="stripe.price.create",
        app="stripe",
        title="Make or find a price for each fee",
        input=NewPrices,
        output=PricesMade,
        rights=("Prices: write",),
    ),
    Action(
        name="stripe.product.create_prices",
        app="stripe",
        title="Make or find a plan's product, meters and prices",
        input=PlanCatalog,
        output=CatalogMade,
        rights=("Products: write", "Prices: write", "Billing Meters: write"),
    ),
    Action(
        name="stripe.product.retire_prices",
        app="stripe",
        title="Archive what a new version of a plan replaced, or an archived plan",
        input=FormerPrices,
        output=Retired,
        rights=("Products: write", "Prices: write", "Payment Links: write", "Checkout Sessions: write"),
    ),
    Action(
        name="stripe.payment_link.create",
        app="stripe",
        title="Make or find the payment link of an offer",
        input=NewPaymentLink,
        output=PaymentLinkMade,
        rights=(
            "Payment Links: write",
            "Checkout Sessions: read",
            "PaymentIntents: read",
            "Charges and Refunds: read",
            "Subscriptions: read",
        ),
    ),
    Action(
        name="stripe.payment_link.deactivate",
        app="stripe",
        title="Close every other way to pay what was paid",
        input=ClosedLink,
        output=WaysClosed,
        rights=("Payment Links: write", "Checkout Sessions: write"),
    ),
)
