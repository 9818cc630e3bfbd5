"""Price plans as the API shows them: both ids, versions with prices, offers with their links, associations."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field
from shared.domains.plans.progress import (
    OFFER_STATES,
    STATES,
    KnownOffer,
    KnownPayment,
    KnownPlan,
    KnownPrice,
    KnownVersion,
)
from shared.identity import Ref
from shared.linking.mappings import Mapping
from shared.model import Model

from console.api import models
from shared import money

Amounts = Annotated[
    dict[str, str],
    Field(description="in whole units by currency; none where it depends on the quantity", examples=[{"USD": "49.50"}]),
]


class PlanItem(Model):
    """One price plan at both sides."""

    id: str = Field(description="at Togai", examples=["pp.starter"])
    ref: str = Field(examples=["togai:test:org_1/price_plan/pp.starter"])
    stripe_id: str | None = Field(description="its product", examples=["pp.starter"])
    name: str
    state: str = Field(description=", ".join(STATES), examples=["active"])
    reason: str = Field(description="why nothing of it is sold, or why it waits or failed")
    version: int | None = Field(description="the newest that Tandem has seen")
    prices: int = Field(description="of that version, in Stripe")
    not_expressed: int = Field(description="things of that version that no price can say")
    offers: int
    open_offers: int
    accounts: int = Field(description="that have it by a checkout")
    updated_at: str = Field(examples=["2026-11-23T10:00:00.000Z"])


class PlanPriceItem(Model):
    """What a version asks for one thing."""

    card: str = Field(description="the rate card at Togai", examples=["addon.fee"])
    kind: str = Field(
        description="the rate card's kind; `first_payment`: made for offers alone", examples=["fixed_fee"]
    )
    name: str
    stripe_id: str | None = Field(examples=["price_1MoBy5LkdIwHu7ixZhnattbh"])
    interval: str = Field(description="how often it is asked for; empty: once", examples=["3 months"])
    meter: str = Field(description="what Togai meters and bills; empty: it is not metered")
    amounts: Amounts
    costs: dict[str, dict[str, Any]] = Field(description="as Stripe has them, by currency")
    retired: bool = Field(description="Tandem archived it in Stripe")


class PlanVersion(Model):
    """One version of a plan."""

    version: int
    prices: list[PlanPriceItem]
    not_expressed: list[str] = Field(description="what no price of Stripe can say, a sentence each")
    not_in_link: list[str] = Field(description="what a payment link does not ask for, a sentence each")


class PlanLink(Model):
    """A payment link."""

    id: str = Field(examples=["plink_1MoC3ULkdIwHu7ixZjtGpVl2"])
    url: str
    state: str = Field(description="open, paid, closed", examples=["open"])
    version: int


class PlanPayment(Model):
    """A checkout of an offer."""

    session_id: str
    payment_intent: str = Field(description="empty: a subscription bills it, or there was nothing to pay")
    state: str = Field(description="pending, paid, partly refunded, refunded, failed, expired", examples=["paid"])
    currency: str = Field(examples=["USD"])
    amount: str = Field(description="in whole units", examples=["49.00"])
    refunded: str = Field(description="of it, in whole units", examples=["0.00"])
    payment_id: str = Field(
        description="the payment that counts it in Togai, also once it was given back; empty for none"
    )
    again: bool = Field(description="the account had the plan before: it was paid twice, or a person had attached it")


class PlanOffer(Model):
    """A plan that was offered to an account."""

    account: str = Field(examples=["acme"])
    state: str = Field(description=", ".join(OFFER_STATES), examples=["open"])
    reason: str
    updated_at: str
    links: list[PlanLink] = Field(description="the newest last")
    payments: list[PlanPayment] = Field(description="every checkout of it, the newest last")
    portal: str = Field(description="the page where its customer pays an open one, for 7 days; for nobody else's eyes")


class PlanAssociation(Model):
    """A schedule by which an account has the plan, and the checkout that paid for it."""

    account: str
    schedule_id: str
    since: str = Field(description="its first day; empty where Togai did not show it")
    session_id: str
    payment_intent: str
    payment_id: str = Field(description="the payment that counts it in Togai; empty where nothing was paid")


class PlanDetail(PlanItem):
    """One price plan with everything that is known of it."""

    description: str
    mapping: str | None = Field(description="its link to the product; null until there is one")
    sides: list[models.Side]
    versions: list[PlanVersion] = Field(description="newest first")
    offered: list[PlanOffer] = Field(description="the last changed first")
    associations: list[PlanAssociation]
    runs: list[models.RunItem] = Field(description="newest first")


class PlanPage(Model):
    """A page of plans."""

    items: list[PlanItem]
    next_cursor: str | None


def item_fields(known: KnownPlan, pair: Mapping | None = None) -> dict[str, Any]:
    """What a list shows of a plan: pure."""
    version = known.versions.get(known.version) or KnownVersion(known.version)
    return {
        "id": Ref.parse(known.ref).id,
        "ref": known.ref,
        "stripe_id": (Ref.parse(pair.target).id if pair else known.product_id) or None,
        "name": known.name,
        "state": known.state,
        "reason": known.reason if known.state in ("not sold", "waiting", "failed") else "",
        "version": known.version or None,
        "prices": len({price.price_id for price in version.prices.values() if price.price_id}),
        "not_expressed": len(version.not_expressed),
        "offers": len(known.offers),
        "open_offers": sum(offer.state == "open" for offer in known.offers.values()),
        "accounts": len({one.account for one in known.associations.values()}),
        "updated_at": known.at,
    }


def versions(known: KnownPlan) -> list[PlanVersion]:
    """The newest first."""
    found = sorted(known.versions.values(), key=lambda version: -version.version)
    return [
        PlanVersion(
            version=one.version,
            prices=[_price(price, known.retired) for price in one.prices.values()],
            not_expressed=one.not_expressed,
            not_in_link=one.not_in_link,
        )
        for one in found
    ]


def _price(price: KnownPrice, retired: set[str]) -> PlanPriceItem:
    return PlanPriceItem(
        card=price.card,
        kind=price.kind,
        name=price.name,
        stripe_id=price.price_id or None,
        interval=_interval(price.recurring),
        meter=price.meter,
        amounts={code: text for code, cost in price.costs.items() if (text := _amount(cost, code))},
        costs=price.costs,
        retired=price.price_id in retired,
    )


def _interval(recurring: dict[str, Any] | None) -> str:
    if not recurring:
        return ""
    unit, count = recurring["interval"], recurring["interval_count"]
    return str(unit) if count == 1 else f"{count} {unit}s"


def _amount(cost: dict[str, Any], code: str) -> str:
    """The one amount of a cost; empty for tiers."""
    if "amount" in cost:
        return str(cost["amount"])
    minor = cost.get("unit_amount", cost.get("unit_amount_decimal"))
    return "" if minor is None else f"{money.major(Decimal(str(minor)), code):f}"


def offers(known: KnownPlan, pages: dict[str, str]) -> list[PlanOffer]:
    """The last changed first. `pages`: where its customer pays each open one, by account."""
    return [
        _offer(one, pages.get(one.account, ""))
        for one in sorted(known.offers.values(), key=lambda offer: offer.at, reverse=True)
    ]


def _offer(offer: KnownOffer, page: str) -> PlanOffer:
    links = [PlanLink(id=one.id, url=one.url, state=one.state, version=one.version) for one in offer.links.values()]
    found = {"account": offer.account, "state": offer.state, "reason": offer.reason, "updated_at": offer.at}
    payments = [_payment(one) for one in offer.payments.values()]
    return PlanOffer.model_validate(found | {"links": links, "payments": payments, "portal": page})


def _payment(payment: KnownPayment) -> PlanPayment:
    code = payment.currency.upper()
    return PlanPayment(
        session_id=payment.session_id,
        payment_intent=payment.payment_intent,
        state=payment.state,
        currency=code,
        amount=f"{money.major(payment.amount, code):f}" if code else "",
        refunded=f"{money.major(payment.refunded, code):f}" if code else "",
        payment_id=payment.payment_id,
        again=payment.again,
    )


def associations(known: KnownPlan) -> list[PlanAssociation]:
    """In the order in which they were made."""
    names = PlanAssociation.model_fields
    return [
        PlanAssociation.model_validate({name: getattr(one, name) for name in names})
        for one in known.associations.values()
    ]
