"""Plain actions of plans, for flows of one's own: the vendor's operation as it stands. They know nothing of pairs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from shared.domains.model import Action
from shared.domains.plans.togai import Attached, Done
from shared.model import Model

Metadata = dict[str, str]


class _Input(Model):
    model_config = ConfigDict(extra="forbid")


class AddProduct(_Input):
    """A product that is to be made."""

    name: str = Field(min_length=1)
    description: str = ""
    metadata: Metadata = {}


class ProductAdded(Model):
    """The product."""

    product_id: str


class AddPrice(_Input):
    """A price of a product. `amount` is in the currency itself, as "49.50"; without `interval` it is paid once."""

    product_id: str = Field(min_length=1)
    currency: str = Field(min_length=3, max_length=3)
    amount: str = Field(min_length=1)
    interval: Literal["", "day", "week", "month", "year"] = ""
    interval_count: int = Field(1, ge=1)
    nickname: str = ""
    metadata: Metadata = {}


class PriceAdded(Model):
    """The price."""

    price_id: str


class AddPaymentLink(_Input):
    """A payment link that sells one or more of a price."""

    price_id: str = Field(min_length=1)
    quantity: int = Field(1, ge=1)
    single_use: bool = Field(False, description="it sells once")
    metadata: Metadata = {}


class PaymentLinkAdded(Model):
    """The link, and where it is paid."""

    payment_link: str
    url: str


class ClosePaymentLink(_Input):
    """A link that is to sell no more."""

    payment_link: str = Field(min_length=1)


class ListSubscriptions(_Input):
    """Which subscriptions are asked for: all of an account if nothing is named."""

    customer_id: str = ""
    price_id: str = ""
    status: Literal[
        "", "all", "active", "trialing", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired",
        "canceled", "ended"
    ] = Field("", description="empty: all but canceled ones")  # fmt: skip
    limit: int = Field(100, ge=1, le=1000, description="how many are read, the newest first")


class SubscriptionShown(Model):
    """A subscription, and when the last of its items' periods ends."""

    subscription_id: str
    status: str
    customer_id: str
    price_ids: list[str]
    period_end: int
    cancel_at_period_end: bool
    metadata: dict[str, Any] = {}


class SubscriptionsListed(Model):
    """They, the newest first; `more`: there are others."""

    subscriptions: list[SubscriptionShown]
    more: bool


class AssociatePlan(_Input):
    """A plan that an account is to have. Without `since` from today on, where the organization is. `api` is the one of
    Togai's that is asked.
    """

    account_id: str = Field(min_length=1)
    plan_id: str = Field(min_length=1)
    since: str = Field("", pattern=r"^(\d{4}-\d{2}-\d{2})?$")
    api: Literal["v1", "v2"] = "v1"


ACTIONS = (
    Action(
        name="stripe.product.add",
        app="stripe",
        title="Create product",
        input=AddProduct,
        output=ProductAdded,
        rights=("Products: write",),
    ),
    Action(
        name="stripe.price.add",
        app="stripe",
        title="Create price",
        input=AddPrice,
        output=PriceAdded,
        rights=("Prices: write",),
    ),
    Action(
        name="stripe.payment_link.add",
        app="stripe",
        title="Create payment link",
        input=AddPaymentLink,
        output=PaymentLinkAdded,
        rights=("Payment Links: write",),
    ),
    Action(
        name="stripe.payment_link.close",
        app="stripe",
        title="Deactivate payment link",
        input=ClosePaymentLink,
        output=Done,
        rights=("Payment Links: write",),
    ),
    Action(
        name="stripe.subscription.list",
        app="stripe",
        title="List subscriptions",
        input=ListSubscriptions,
        output=SubscriptionsListed,
        reads=True,
        rights=("Subscriptions: read",),
    ),
    Action(
        name="togai.account.associate_price_plan",
        app="togai",
        title="Associate price plan",
        input=AssociatePlan,
        output=Attached,
    ),
)
