"""What runs tell of a price plan: what of it is in Stripe, its offers, and the accounts that have it by them. Pure.

Every run about a plan names it; the newest that has learnt what the plan is holds its state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared import money
from shared.domains.plans.togai import sides_of
from shared.domains.progress import Progress
from shared.identity import Ref

STATES = ("active", "archived", "not sold", "waiting", "failed")
"""`not sold`: nothing of it is made in Stripe, and the reason says why."""
OFFER_STATES = ("waiting", "open", "confirming", "not attached", "paid", "closed", "not sold", "failed")
"""`confirming`: its payment is on its way. `not attached`: it was paid, and the account does not have the plan yet."""
TRANSLATE, MADE, RETIRE = (
    "togai.price_plan.translate",
    "stripe.product.create_prices",
    "stripe.product.retire_prices",
)
READ, PRODUCT, PRICES, LINK = (
    "togai.price_plan.read",
    "stripe.product.create",
    "stripe.price.create",
    "stripe.payment_link.create",
)
PAYMENT, ATTACH, POST = "stripe.payment_intent.read", "togai.price_plan.attach", "togai.payment.post"
PAID_BY = "stripe.checkout_session.read"
CLOSE_ARCHIVED = "stripe.payment_link.close_of_archived_plan"
CLOSE, CUSTOMER = "stripe.payment_link.deactivate", "togai.account.add_customer"
FIRST_PAYMENT = "first_payment"
"""Kind of a price that asks once for the first amount of a fee."""


def plan_of(progress: Progress) -> str:
    """The full ref of the price plan that a run is about; empty if it is about none."""
    if plan := progress.of_kind("togai", "price_plan"):
        return plan
    offer = progress.of_kind("togai", "offer")
    return str(Ref.parse(offer)._replace(noun="price_plan", id=_sides(offer)[0])) if offer else ""


def offer_of(progress: Progress) -> str:
    """The full ref of the offer that a run is about; empty if it is about none."""
    return progress.of_kind("togai", "offer")


def _sides(offer: str) -> tuple[str, str]:
    """Plan and account of an offer."""
    return sides_of(Ref.parse(offer).id)


def state_of(progress: Progress) -> str | None:
    """What a plan is after a run; None where the run has learnt nothing of it."""
    done = progress.done
    if CLOSE_ARCHIVED in done:
        return "archived"
    if READ in done or MADE in done:
        return "archived" if done.get(TRANSLATE, {}).get("archived") else "active"
    if TRANSLATE not in progress.ran:
        return None
    if progress.state == "dead":
        return "failed"
    if progress.state == "skipped":
        return "not sold"
    return None if progress.ended else "waiting"


@dataclass
class KnownPrice:
    """What one rate card of a version asks for. `costs` are Stripe's parameters by currency."""

    card: str
    kind: str
    name: str
    costs: dict[str, dict[str, Any]]
    recurring: dict[str, Any] | None = None
    meter: str = ""
    price_id: str = ""


@dataclass
class KnownVersion:
    """A version of a plan. `prices` by rate card and kind."""

    version: int
    prices: dict[tuple[str, str], KnownPrice] = field(default_factory=dict)
    not_expressed: list[str] = field(default_factory=list)
    not_in_link: list[str] = field(default_factory=list)


@dataclass
class KnownLink:
    """A payment link; its address holds whom it is for."""

    id: str
    url: str
    version: int
    state: str = "open"
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was read of plan and account when it was made."""


@dataclass
class KnownPayment:
    """A checkout of an offer. Amounts are in minor units; `payment_id` is the payment in Togai that counts it; `again`:
    the account had the plan before.
    """

    session_id: str
    payment_intent: str = ""
    state: str = ""
    currency: str = ""
    amount: int = 0
    refunded: int = 0
    payment_id: str = ""
    again: bool = False


@dataclass
class KnownOffer:
    """A plan that was offered to an account, every link of it and every payment, the newest last."""

    account: str
    state: str = ""
    reason: str = ""
    at: str = ""
    links: dict[str, KnownLink] = field(default_factory=dict)
    payments: dict[str, KnownPayment] = field(default_factory=dict)

    def tell(self, state: str, progress: Progress, reason: str = "") -> None:
        """What became of it."""
        self.state, self.reason, self.at = state, reason, progress.at


@dataclass
class KnownAssociation:
    """A schedule by which an account has the plan, and the checkout that paid for it."""

    schedule_id: str
    account: str
    since: str = ""
    session_id: str = ""
    payment_intent: str = ""
    payment_id: str = ""


@dataclass
class KnownPlan:
    """What is known of a plan from its runs, the oldest first."""

    ref: str
    state: str = ""
    reason: str = ""
    at: str = ""
    name: str = ""
    description: str = ""
    version: int = 0
    product_id: str = ""
    versions: dict[int, KnownVersion] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)
    offers: dict[str, KnownOffer] = field(default_factory=dict)
    associations: dict[str, KnownAssociation] = field(default_factory=dict)

    def add(self, progress: Progress) -> None:
        """Take in what a later run tells, also one of another plan that closed offers of this one."""
        done = progress.done
        if plan_of(progress) != self.ref:
            other, account = _sides(offer_of(progress))
            self._close(done.get(CLOSE, {}).get("closed") or (), progress, f"account {account} bought {other}")
            return
        for read in filter(None, (done.get(TRANSLATE), done.get(READ))):
            self.name, self.description = str(read.get("name") or self.name), str(read.get("description") or "")
            self.version = int(read.get("version") or self.version)
        made = done.get(MADE) or done.get(PRODUCT) or {}
        self.product_id = str(made.get("product_id") or self.product_id)
        self._add_catalog(done)
        self._add_offer(progress)
        self._add_checkout(progress)
        self._add_payment(progress)
        if state := state_of(progress):
            self.state, self.at, self.reason = state, progress.at, progress.reason
        self._retire(done.get(RETIRE, {}).get("retired") or (), progress)
        self._retire(done.get(CLOSE_ARCHIVED, {}).get("closed") or (), progress)

    def _version(self, number: int) -> KnownVersion:
        return self.versions.setdefault(number, KnownVersion(number))

    def _add_catalog(self, done: Mapping[str, Mapping[str, Any]]) -> None:
        """The prices of a version, and what none of them can say."""
        catalog = done.get(TRANSLATE)
        if not catalog or catalog.get("archived"):
            return
        version, ids = self._version(catalog["version"]), done.get(MADE, {}).get("prices") or {}
        version.not_expressed = list(catalog["not_expressed"])
        _put(version, catalog["prices"], ids)

    def _add_offer(self, progress: Progress) -> None:
        """An offer, and the prices that were made for it."""
        done, ref = progress.done, offer_of(progress)
        if not ref or READ not in progress.ran:
            return
        offer = self.offers.setdefault(_sides(ref)[1], KnownOffer(_sides(ref)[1]))
        facts = done.get(READ)
        if facts:
            version, ids = self._version(facts["version"]), done.get(PRICES, {}).get("prices") or {}
            version.not_in_link = list(facts["not_sold"])
            _put(version, facts.get("prices") or (), ids)
            for fee in facts["fees"]:
                costs = {code: {"amount": rate} for code, rate in fee["rates"].items()}
                price = KnownPrice(fee["card"], FIRST_PAYMENT, fee["name"], costs, price_id=ids.get(fee["card"], ""))
                version.prices[price.card, price.kind] = price
        if facts and (link := done.get(LINK)):
            self._open(offer, KnownLink(link["payment_link"], link["url"], facts["version"], facts=facts), progress)
        elif offer.state in ("", "waiting", "not sold", "failed"):
            ends = {"dead": "failed", "skipped": "not sold"}
            offer.tell(ends.get(progress.state, "waiting"), progress, progress.reason)

    def _open(self, offer: KnownOffer, link: KnownLink, progress: Progress) -> None:
        """A link that is shown is the one that sells: any other one of the offer sells no more."""
        for other in offer.links.values():
            if other.id != link.id and other.state == "open":
                other.state = "closed"
        failed = offer.state in ("confirming", "failed") and bool(_id(progress, "stripe", "checkout.session"))
        if link.id not in offer.links or failed:
            offer.links.setdefault(link.id, link)
            offer.tell("open", progress)

    def _add_checkout(self, progress: Progress) -> None:
        """A checkout of an offer: the association that it became, or why it has not."""
        ref, done = offer_of(progress), progress.done
        if not ref or PAYMENT not in progress.ran:
            return
        offer = self.offers.setdefault(_sides(ref)[1], KnownOffer(_sides(ref)[1]))
        paid_by = _id(progress, "stripe", "payment_link")
        for one in offer.links.values() if CLOSE in done else ():
            one.state = "closed" if one.state == "open" else one.state
        if attached := done.get(ATTACH):
            self._associate(offer.account, attached["schedule_id"], progress)
            offer.tell("paid", progress)
            if link := offer.links.get(paid_by):
                link.state = "paid"
        elif ATTACH in progress.ran and (not progress.ended or progress.state == "dead"):
            offer.tell("not attached", progress, progress.reason)
        elif ATTACH in progress.ran and _is_pending(progress, offer):
            offer.tell("confirming", progress, progress.reason)

    def _add_payment(self, progress: Progress) -> None:
        """What is known of the checkout that a run is about."""
        ref, session = offer_of(progress), _id(progress, "stripe", "checkout.session")
        paid, read = progress.done.get(PAYMENT), progress.done.get(PAID_BY)
        if not ref or not session or not (paid or read):
            return
        offer = self.offers.setdefault(_sides(ref)[1], KnownOffer(_sides(ref)[1]))
        payment = offer.payments.setdefault(session, KnownPayment(session))
        payment.payment_intent = payment.payment_intent or _id(progress, "stripe", "payment_intent")
        if read:
            for name in ("state", "currency", "amount", "refunded"):
                setattr(payment, name, read[name])
            if payment.state == "failed" and offer.state == "confirming":
                offer.tell("failed", progress, "its payment failed: offer the plan again, which makes a new link")
        elif paid and (payment.state in ("", "pending") or paid.get("payment_status") != "unpaid"):
            payment.refunded = int(paid.get("refunded") or 0)
            payment.amount, payment.currency = paid["amount"] + payment.refunded, str(paid.get("currency") or "")
            done = "partly refunded" if payment.refunded else "paid"
            payment.state = "pending" if paid.get("payment_status") == "unpaid" else done
            payment.payment_id = payment.payment_id or str(progress.done.get(POST, {}).get("payment_id") or "")
            payment.again = bool(progress.done.get(ATTACH, {}).get("again"))

    def _associate(self, account: str, schedule: str, progress: Progress) -> None:
        known = self.associations.setdefault(schedule, KnownAssociation(schedule, account))
        known.since = str(progress.done[ATTACH].get("since") or known.since)
        known.session_id = known.session_id or _id(progress, "stripe", "checkout.session")
        known.payment_intent = known.payment_intent or _id(progress, "stripe", "payment_intent")
        known.payment_id = known.payment_id or str(progress.done.get(POST, {}).get("payment_id") or "")

    def _retire(self, retired: Iterable[str], progress: Progress) -> None:
        """What sells no more: prices, links, the product."""
        self.retired |= set(retired)
        self._close(self.retired, progress, "the plan was archived in Togai")

    def _close(self, ids: Collection[str], progress: Progress, why: str) -> None:
        for offer in self.offers.values():
            closed = [link for link in offer.links.values() if link.id in ids and link.state == "open"]
            for link in closed:
                link.state = "closed"
            if closed and offer.state == "open":
                offer.tell("closed", progress, why)


def _put(version: KnownVersion, prices: Iterable[Mapping[str, Any]], ids: Mapping[str, str]) -> None:
    names = ("card", "kind", "name", "costs", "recurring", "meter")
    for given in prices:
        price = KnownPrice(**{name: given[name] for name in names if name in given})
        price.price_id = str(ids.get(price.card) or "")
        version.prices[price.card, price.kind] = price


def _is_pending(progress: Progress, offer: KnownOffer) -> bool:
    """Whether a run saw a checkout whose payment is on its way, and no other one has seen its end: that stays."""
    known = offer.payments.get(_id(progress, "stripe", "checkout.session"))
    unpaid = progress.done.get(PAYMENT, {}).get("payment_status") == "unpaid"
    return unpaid and (known is None or known.state in ("", "pending"))


def _id(progress: Progress, app: str, noun: str) -> str:
    ref = progress.of_kind(app, noun)
    return Ref.parse(ref).id if ref else ""


def not_attached(progress: Progress) -> str:
    """What was paid by a checkout whose plan is not attached, and why; empty for any other run."""
    paid, plan_ref = progress.done.get(PAYMENT), plan_of(progress)
    began = ATTACH in progress.ran or CUSTOMER in progress.ran
    if not paid or not plan_ref or ATTACH in progress.done or not began:
        return ""
    plan, offer = Ref.parse(plan_ref).id, offer_of(progress)
    who = f"account {_sides(offer)[1]}" if offer else "a customer whose checkout names no account"
    currency = str(paid.get("currency") or "")
    amount = f"{money.major(paid['amount'], currency):f} {currency.upper()}" if currency else "an amount"
    reason = progress.reason.rstrip(".")
    what = f"{who} paid {amount} for price plan {plan} and does not have it"
    return f"{what}: {reason} (`tandem plans show {plan}`)"


def known_of(ref: str, of_one: Iterable[Progress]) -> KnownPlan:
    """What the runs of a plan tell, in whatever order they are given."""
    known = KnownPlan(ref)
    for progress in sorted(of_one, key=lambda one: one.at):
        known.add(progress)
    return known
