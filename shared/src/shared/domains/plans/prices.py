"""What one rate card of a plan becomes at Stripe: a price, as the actions pass it on."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from shared.model import Model

CardKind = Literal["fixed_fee", "license", "usage", "entitlement", "overage", "credit_grant"]


class Recurring(Model):
    """How often a price is charged, in Stripe's words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: Literal["week", "month", "year"]
    interval_count: int


class PlanPrice(Model):
    """A price that asks for what a rate card asks. `costs` are Stripe's parameters by currency, in upper case."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    card: str
    kind: CardKind
    name: str
    recurring: Recurring | None = None
    meter: str = ""
    """What Togai meters; empty for a price that is not metered."""
    scheme: dict[str, Any] = {}
    """Stripe's parameters that all currencies share."""
    costs: dict[str, dict[str, Any]]


class PlanCatalog(Model):
    """What of a plan's present version is sold in Stripe; nothing of an archived one."""

    model_config = ConfigDict(extra="forbid")

    plan_id: str
    version: int
    name: str
    description: str
    archived: bool
    prices: list[PlanPrice]
    not_expressed: list[str] = Field(description="what no price can say, a sentence each")


class CatalogMade(Model):
    """The product, and the price of each rate card. Both are empty for an archived plan."""

    product_id: str = ""
    prices: dict[str, str] = {}


class FormerPrices(Model):
    """The prices that a version of a plan has; those of former ones are to be sold no more."""

    model_config = ConfigDict(extra="forbid")

    plan_id: str
    version: int
    archived: bool
    product_id: str
    prices: dict[str, str]


class Retired(Model):
    """What is sold no more: prices, links and the product itself."""

    retired: list[str]
