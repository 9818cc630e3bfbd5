"""Request bodies of the control API."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.stripe_api import disputes, invoice_payments, payment_intents
from sandbox.stripe_api.checkout import Outcome
from sandbox.tenants import RESOURCES, Resource, Right
from sandbox.togai_api.invoice_models import InvoiceClass, InvoiceType, Status
from sandbox.togai_api.invoice_tree import Line, LineType, Parts
from sandbox.togai_api.models import sent
from sandbox.togai_api.plan_models import PlanDetails

Amount = Annotated[str, Field(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$")]
"""An amount as text, because a number of JSON may pass through a float on its way."""


class Body(BaseModel):
    """A body with known fields only."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewAccount(Body):
    """A Stripe account in one mode, or a Togai organization."""

    app: Literal["stripe", "togai"]
    id: str | None = Field(None, min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_.-]+$")
    key: str | None = Field(None, min_length=1, max_length=255)
    live: bool = False
    name: str = "Sandbox"
    base_currency: str = Field("USD", pattern=r"^[A-Z]{3}$")


class NewKey(Body):
    """Another key to an account; with rights it is a restricted one."""

    account: str
    key: str | None = Field(None, min_length=1, max_length=255)
    rights: dict[Resource, Right] | None = None

    def full_rights(self) -> dict[str, Right] | None:
        """Rights for every resource; what is not named is none."""
        if self.rights is None:
            return None
        given: dict[str, Right] = dict(self.rights.items())
        return {resource: given.get(resource, "none") for resource in RESOURCES}


class NewSubscription(Body):
    """A Togai webhook."""

    account: str
    event: str = "Account creation"
    url: str = Field(min_length=1)


class Archive(Body):
    """A Togai customer, account or price plan to archive; the first two can be taken out of the archive."""

    account: str
    customer: str | None = Field(None, min_length=1)
    togai_account: str | None = Field(None, min_length=1)
    price_plan: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if [self.customer, self.togai_account, self.price_plan].count(None) != 2:
            raise ValueError("name either a customer, a togai_account or a price_plan")
        return self


class Checkout(Body):
    """What somebody does at a checkout page: of a payment link, which makes a new session, or of a session."""

    account: str
    payment_link: str | None = Field(None, min_length=1)
    session: str | None = Field(None, min_length=1)
    outcome: Outcome
    email: str | None = None
    name: str | None = None
    client_reference_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,200}$")
    quantity: int | None = Field(None, ge=1)
    shuffled: bool | int = False

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.payment_link is None) == (self.session is None):
            raise ValueError("name either a payment_link or a session")
        return self


class InvoicePayment(Body):
    """What a customer does at an invoice's page; an amount is in the smallest unit, or text with a point."""

    account: str
    outcome: invoice_payments.Outcome
    amount: int | Amount | None = None
    shuffled: bool | int = False


class PaymentEnd(Body):
    """What becomes of a payment intent that the API made."""

    account: str
    outcome: payment_intents.Outcome
    shuffled: bool | int = False


class Dispute(Body):
    """What the payer's bank does with a charge: the first call disputes it, the second closes it with an outcome."""

    account: str
    charge: str = Field(min_length=1)
    outcome: disputes.Outcome | None = None
    shuffled: bool | int = False


class RefundEnd(Body):
    """What becomes of a refund."""

    account: str
    status: Literal["succeeded", "failed", "canceled"]


class SubscriptionState(Body):
    """What becomes of a subscription: `period_end` in epoch seconds; what is not named stays."""

    account: str
    status: Literal["active", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired"] | None = None
    discounted: bool | None = None
    period_end: int | None = None


class CustomerDiscount(Body):
    """What a Stripe customer is let off, in whole percent; 0 for nothing."""

    account: str
    percent: int = Field(ge=0, le=100)


class Billables(Body):
    """Add-ons, usage meters and features, by their ids."""

    account: str
    addons: list[str] = []
    usage_meters: list[str] = []
    features: list[str] = []


class PricePlanVersion(Body):
    """What a Togai price plan costs: one fixed fee in each currency, or rate cards of any kind."""

    account: str
    rates: dict[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], Amount] | None = Field(None, min_length=1)
    interval: Literal["WEEKLY", "MONTHLY", "QUARTERLY", "HALF_YEARLY", "ANNUALLY"] = "MONTHLY"
    timing: Literal["IN_ADVANCE", "IN_ARREARS", "PREPAID"] = "IN_ADVANCE"
    fee: Literal["ONE_TIME", "RECURRING"] = "RECURRING"
    details: PlanDetails | None = None
    active: bool = True

    @model_validator(mode="after")
    def _costs_once(self) -> Self:
        if (self.rates is None) == (self.details is None):
            raise ValueError("give either rates or details")
        return self

    def full_details(self) -> dict[str, Any]:
        """The body's `pricePlanDetails` at Togai."""
        if self.details is not None:
            return sent(self.details)
        rates = [{"currency": code, "rate": Decimal(rate)} for code, rate in (self.rates or {}).items()]
        fee = {
            "id": "addon.sandbox.fee", "displayName": "Fee", "rateValues": rates, "enableProration": False,
            "invoiceTiming": self.timing, "type": self.fee,
        }  # fmt: skip
        cycle = {"interval": self.interval, "gracePeriod": 1, "anniversaryCycle": True}
        currencies = [rate["currency"] for rate in rates]
        return {"supportedCurrencies": currencies, "pricingCycleConfig": cycle, "fixedFeeRateCards": [fee]}


class NewPricePlan(PricePlanVersion):
    """A new price plan, active unless it is to be a draft."""

    name: str = Field(min_length=1, max_length=50)
    id: str | None = Field(None, min_length=1, max_length=50)
    description: str | None = Field(None, max_length=255)
    api: Literal["v1", "v2"] = "v1"

    def details_with_name(self) -> dict[str, Any]:
        """The body of Togai's own create."""
        body: dict[str, Any] = {"name": self.name, "pricePlanDetails": self.full_details()}
        return body if self.description is None else {**body, "description": self.description}


class InvoiceLine(Body):
    """A line of a Togai invoice; the amount counts, whatever quantity and rate come to."""

    name: str = Field(min_length=1)
    amount: Amount
    quantity: Amount | None = None
    rate: Amount | None = None
    type: LineType = "FIXED_FEE_RATE_CARD_AMOUNT"

    def line(self) -> Line:
        """The line of the tree."""
        return Line(self.name, Decimal(self.amount), self.type, _decimal(self.quantity), _decimal(self.rate))


class NewTogaiInvoice(Body):
    """An invoice that Togai generated."""

    account: str
    togai_account: str
    status: Status
    lines: list[InvoiceLine] = Field(min_length=1)
    invoice_class: InvoiceClass = Field("INVOICE", alias="class")
    type: InvoiceType = "STANDARD"
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$")
    tax: Amount = "0"
    discount: Amount = "0"
    credits: Amount = "0"
    paid: Amount | None = None
    due_date: datetime | None = Field(None, strict=False)
    invoice_date: datetime | None = Field(None, strict=False)
    total: Amount | None = None
    price_plan: str | None = Field(None, min_length=1)
    group: str | None = Field(None, min_length=1, max_length=50)
    number: str | None = Field(None, min_length=1)
    finalizing: bool = False

    def parts(self, currency: str) -> Parts:
        """What the invoice is made of."""
        lines = [line.line() for line in self.lines]
        return Parts(self.currency or currency, lines, Decimal(self.tax), Decimal(self.discount), Decimal(self.credits))


class BillingCycle(Body):
    """One cycle of an account: what it used of each meter, or license, of its plan."""

    account: str
    togai_account: str
    usage: dict[str, Annotated[Amount, Field(pattern="^[0-9]")]] = Field(default_factory=dict)


class TogaiInvoiceChange(Body):
    """What becomes of a Togai invoice without any call of the API."""

    account: str
    status: Status | None = None
    paid: Amount | None = None


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


class Advance(Body):
    """Seconds to move the clock forward."""

    advance: float = Field(ge=0, strict=False)


class Roll(Body):
    """A webhook endpoint whose secret is rolled, and how long the old one goes on signing."""

    account: str
    endpoint: str
    overlap: float = Field(24 * 3600.0, ge=0, strict=False)
