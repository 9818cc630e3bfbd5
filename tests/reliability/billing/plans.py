"""Plans in the fault run: one is offered, its link is paid, the account has it and the payment is counted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import httpx
from console.http import own_machine

from tests.reliability.action import Action
from tests.reliability.billing.people import BillingPeople, good
from tests.reliability.checker.broken import Broken
from tests.reliability.checker.facts import Facts
from tests.reliability.checker.laws import Laws
from tests.reliability.cluster import Cluster

FLOW = "togai-plan-to-stripe-payment-link"
VERBS = ("account", "plan", "offer", "pay")


@dataclass
class Offered:
    """A plan, offered to one account. `plan` and `link` are ids, empty until there are some."""

    subject: str
    cents: int
    paid: bool
    plan: str = ""
    link: str = ""


@dataclass
class Story:
    """From a seed, accounts to which one plan each is offered; each third one does not buy it. Pure."""

    seed: int
    events: int
    actions: list[Action] = field(default_factory=list)
    offers: dict[str, Offered] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = random.Random(f"plans {self.seed}")
        while len(self.actions) < self.events:
            paid = len(self.offers) % 3 < 2
            subject = f"bill-p{len(self.offers)}"
            self.offers[subject] = Offered(subject, rng.randint(101, 99_999), paid)
            for verb in VERBS if paid else VERBS[:-1]:
                self.actions.append(Action(len(self.actions), subject, verb, unit=subject))


class PlanPeople(BillingPeople):
    """Who makes plans in Togai, offers them in the console, and buys them at Stripe."""

    def __init__(self, cluster: Cluster, patience: float, offers: dict[str, Offered]) -> None:
        super().__init__(cluster, patience)
        self._offers = offers

    async def _plan(self, action: Action) -> None:
        one = self._offers[action.subject]
        rates = {"USD": f"{Decimal(one.cents).scaleb(-2)}"}
        body = {"account": self.organization, "name": f"Plan {action.subject}", "rates": rates}
        one.plan = str((await self.control("POST", "/togai/price_plans", **body))["id"])

    async def _offer(self, action: Action) -> None:
        """Again while the console is away, or does not know the flow link yet: whoever saw no answer asks once more."""
        url = self.cluster.stack.url("console", f"/api/plans/{self._offers[action.subject].plan}/offers")
        body = {"account": action.subject, "flow_link": self.cluster.tenant.link_id(FLOW)}

        async def asked() -> str:
            try:
                async with own_machine(timeout=5) as http:
                    return "asked" if (await http.post(url, json=body)).is_success else ""
            except httpx.HTTPError:
                return ""

        await self.found("the console", asked)

    async def _pay(self, action: Action) -> None:
        one = self._offers[action.subject]
        url = await self.found("the link", lambda: self.setting("StripePaymentLink", "ACCOUNT", action.subject))
        one.link = await self._link_at(url)
        body = {"account": self.stripe_account, "payment_link": one.link, "outcome": "paid"}
        await self.control("POST", "/stripe/checkout", **body)

    async def _link_at(self, url: str) -> str:
        """The id of the link with an address, from all that are open, the newest first."""
        params = {"limit": "100", "active": "true"}
        while True:
            page = good(await self.stripe.get("/v1/payment_links", params=params))
            for row in page["data"]:
                if url.startswith(row["url"]):
                    return str(row["id"])
            assert page["has_more"], f"no link is open at {url}"
            params["starting_after"] = page["data"][-1]["id"]


class Plans:
    """The plans' part."""

    def __init__(self, seed: int, events: int, cluster: Cluster, patience: float) -> None:
        story = Story(seed, events)
        self.actions, self._offers = story.actions, story.offers
        self.people = PlanPeople(cluster, patience, story.offers)

    def laws(self, facts: Facts) -> Laws:
        """What must hold of what the people made."""
        found = [one for one in self._offers.values() if one.plan]
        broken = {"lost": lost(facts, found), "doubled": doubled(facts, found), "fields": cents(facts, found)}
        return Laws(broken, frozenset(), lambda: {"offers": len(found)})


def lost(facts: Facts, wanted: list[Offered]) -> Iterator[Broken]:
    """Each offer has a link, open until it was paid; who paid has the plan, and the payment is counted."""
    links = {row["metadata"].get("togai_account_id"): row for row in facts.stripe_state["payment_links"]}
    has = {row["accountId"]: row["pricePlanId"] for row in facts.togai_state["pricing_schedules"]}
    counted = {row["accountId"] for row in facts.togai_state["payments"]}
    for one in wanted:
        link = links.get(one.subject)
        if link is None or link["active"] is one.paid:
            yield Broken("lost", one.subject, f"its link is {link and link['active']}")
        if (has.get(one.subject) == one.plan, one.subject in counted) != (one.paid, one.paid):
            yield Broken("lost", one.subject, f"it has {has.get(one.subject)}, and bought {one.paid and one.plan}")


def doubled(facts: Facts, wanted: list[Offered]) -> Iterator[Broken]:
    """One product, one price of each kind, one link, one schedule, one payment."""
    stripe, togai = facts.stripe_state, facts.togai_state
    seen = Counter(("links", row["metadata"].get("togai_account_id")) for row in stripe["payment_links"])
    seen += Counter((f"{row['type']} prices", row["product"]) for row in stripe["prices"])
    seen += Counter(("schedules", row["accountId"]) for row in togai["pricing_schedules"])
    own = {one.subject for one in wanted}
    seen += Counter(("payments", row["accountId"]) for row in togai["payments"] if row["accountId"] in own)
    yield from (Broken("doubled", str(what[1]), f"{times} {what[0]}") for what, times in seen.items() if times > 1)
    for row in stripe["products"]:
        if row["id"] not in {one.plan for one in wanted}:
            yield Broken("doubled", row["id"], "nobody asked for this product")


def cents(facts: Facts, wanted: list[Offered]) -> Iterator[Broken]:
    """Prices and payments are the plan's amount."""
    by_plan, by_account = {one.plan: one for one in wanted}, {one.subject: one for one in wanted}
    for row in facts.stripe_state["prices"]:
        one = by_plan.get(row["product"])
        if one and (row["unit_amount"], row["currency"]) != (one.cents, "usd"):
            yield Broken("fields", one.subject, f"its price is {row['unit_amount']}, and {one.cents} is right")
    for row in facts.togai_state["payments"]:
        one = by_account.get(row["accountId"])
        if one and Decimal(str(row["totalAmount"])).scaleb(2) != one.cents:
            yield Broken("fields", one.subject, f"{row['totalAmount']} is counted, {one.cents} cents were paid")
