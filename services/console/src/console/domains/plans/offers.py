"""What the page of an offer shows, out of the tables alone: no vendor is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from shared.domains.customers import CUSTOMER
from shared.domains.plans import OFFER
from shared.domains.plans.progress import KnownLink, KnownOffer, KnownPlan, known_of
from shared.domains.plans.sessions import FLOW
from shared.domains.plans.togai import SUBSCRIPTION, sides_of
from shared.identity import Ref
from shared.linking import mappings
from sqlalchemy import select
from sqlmodel import Session, col

from console.domains.plans.queries import runs_of
from console.portal.pages import in_words
from console.portal.public_page import PageState
from console.portal.till import Till, till_of
from console.projection import queries
from console.projection.tables import MappingRow
from shared import money


@dataclass(frozen=True)
class Item:
    """One line of what is bought."""

    name: str
    amount: str
    every: str


@dataclass(frozen=True)
class Shown:
    """An offer as its customer sees it."""

    state: PageState
    name: str
    description: str = ""
    items: list[Item] = field(default_factory=list)
    total: str = ""
    subscription: bool = False
    link: str = ""
    till: Till | None = None


def known_offer(session: Session, offer: Ref) -> tuple[KnownPlan, KnownOffer | None]:
    """What the runs tell of it."""
    plan, account = sides_of(offer.id)
    ref = str(Ref(offer.account, "price_plan", plan))
    known = known_of(ref, runs_of(session, ref))
    return known, known.offers.get(account)


def of_account(session: Session, account: Ref) -> list[Ref]:
    """The offers to an account for which a link was made."""
    row, ref = MappingRow, str(account)
    query = select(row).where(col(row.relation) == OFFER.name, queries.found_by(session, row, ref))
    pairs = [mappings.decode(found.record) for found in session.scalars(query)]
    named = (one for pair in pairs if ref in pair.also for one in pair.also if Ref.parse(one).noun == "offer")
    return [Ref.parse(one) for one in dict.fromkeys(named)]


def shown(session: Session, offer: Ref) -> Shown | None:
    """None for an offer of which the tables know nothing (any more)."""
    known, found = known_offer(session, offer)
    if found is None:
        return None
    state = _state(found)
    link = next((one for one in reversed(found.links.values()) if one.state == "open"), None)
    newest = link or next(reversed(found.links.values()), None)
    facts = newest.facts if newest else {}
    items, total = _items(newest) if newest else ([], "")
    return Shown(
        state="preparing" if state == "open" and link is None else state,
        name=str(facts.get("name") or known.name or sides_of(offer.id)[0]),
        description=str(facts.get("description") or ""),
        items=items,
        total=total,
        subscription=facts.get("mode") == SUBSCRIPTION,
        link=link.url if link and state == "open" else "",
        till=till(session, offer) if link and state == "open" else None,
    )


def _state(offer: KnownOffer) -> PageState:
    """In the customer's terms: what is paid is paid, whatever has still to be done about it here."""
    if offer.state in ("paid", "not attached"):
        return "paid"
    if offer.state == "confirming":
        return "confirming"
    if offer.state == "open":
        return "open"
    return "preparing" if offer.state == "waiting" else "closed"


def _items(link: KnownLink) -> tuple[list[Item], str]:
    """The lines and what is paid now, in the account's currency; the sum is empty where a line has no one amount."""
    facts, currency = link.facts, str(link.facts["currency"])
    found: list[tuple[str, Decimal | None, str]] = [
        (fee["name"], money.decimal(fee["rates"][currency]), "") for fee in facts["fees"]
    ]
    for price in facts.get("prices") or ():
        cost = price["costs"][currency]
        minor = cost.get("unit_amount", cost.get("unit_amount_decimal"))
        amount = None if minor is None else money.major(money.decimal(minor), currency)
        found.append((price["name"], amount, _every(price.get("recurring"))))
    items = [Item(name, _words(amount, currency), every) for name, amount, every in found]
    amounts = [amount for _, amount, _ in found if amount is not None]
    return items, _words(sum(amounts, Decimal(0)), currency) if len(amounts) == len(found) else ""


def _words(amount: Decimal | None, currency: str) -> str:
    return "by quantity" if amount is None else in_words(amount, currency)


def _every(recurring: dict[str, Any] | None) -> str:
    if not recurring:
        return ""
    unit, count = recurring["interval"], recurring["interval_count"]
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"


def till(session: Session, offer: Ref) -> Till | None:
    """None where the account has no Stripe customer, no flow link makes sessions, or no publishable key is known:
    the payment link is the way then.
    """
    account = str(Ref(offer.account, "account", sides_of(offer.id)[1]))
    return till_of(session, FLOW.id, offer.account, {Ref.parse(ref).account for ref in _customers(session, account)})


def _customers(session: Session, account: str) -> list[str]:
    """The Stripe customers of an account, by full ref."""
    query = select(MappingRow).where(
        col(MappingRow.relation) == CUSTOMER.name,
        col(MappingRow.state) == "linked",
        queries.found_by(session, MappingRow, account),
    )
    pairs = [mappings.decode(row.record) for row in session.scalars(query)]
    return [ref for pair in pairs if account in pair.refs for ref in pair.refs if ref.startswith("stripe:")]
