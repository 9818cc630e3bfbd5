"""Invoices in the fault run: taxed by Stripe, due, paid whole, in parts or given back, and void, each to the cent."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any

from tests.reliability.action import Action
from tests.reliability.billing.people import BillingPeople, good
from tests.reliability.checker.broken import Broken
from tests.reliability.checker.facts import Facts
from tests.reliability.checker.laws import Laws
from tests.reliability.cluster import Cluster
from tests.reliability.customers.facts import BILLED

Json = dict[str, Any]
WAYS = {
    "in parts": ("draft", "due", "pay_part", "pay"),
    "charged": ("method", "due"),
    "of a group": ("group", "due", "pay"),
    "given back": ("due", "pay", "refund"),
    "void": ("draft", "due", "void"),
    "void in Stripe": ("due", "void_stripe"),
    "paid": ("due", "pay"),
    "due": ("due",),
}
"""What people do about an invoice of an account. Where Tandem charges it by a payment intent nobody does more."""
TAXED = ("in parts", "void")
"""The ways of accounts in a country where Stripe calculates tax, while the invoice is a draft."""
TAX, PERCENT = "Tax (calculated by Stripe)", 19
ENDS = {
    "of a group": ("paid", "PAID"),
    "paid": ("paid", "PAID"),
    "in parts": ("paid", "PAID"),
    "given back": ("paid", "REFUND_INITIATED"),
    "void": ("void", "VOID"),
    "void in Stripe": ("void", "VOID"),
    "due": ("open", "DUE"),
}
"""The status at Stripe and in Togai that comes of each way by a Stripe invoice."""
CHARGED = ("succeeded", "PAID")
"""What comes of an invoice whose account has a payment method. While Togai or Stripe fail, the flow of Stripe invoices
may be first: then nobody pays that.
"""
SENT = ("open", "DUE")


@dataclass
class Invoice:
    """One of Togai, and what must come of it. `made` is its id there, empty until somebody made it; `group` is that of
    the invoice group that owes it.
    """

    subject: str
    way: str
    cents: list[int]
    made: str = ""
    group: str = ""

    @property
    def tax(self) -> int:
        return (sum(self.cents) * PERCENT + 50) // 100 if self.way in TAXED else 0

    @property
    def total(self) -> int:
        return sum(self.cents) + self.tax


@dataclass
class Story:
    """From a seed, accounts with one invoice each. Pure."""

    seed: int
    events: int
    actions: list[Action] = field(default_factory=list)
    invoices: dict[str, Invoice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng, ways = random.Random(f"invoices {self.seed}"), list(WAYS)
        while len(self.actions) < self.events:
            subject = f"bill-i{len(self.invoices)}"
            way = ways[len(self.invoices) % len(ways)]
            cents = [rng.randint(101, 99_999) for _ in range(rng.randint(1, 3))]
            self.invoices[subject] = Invoice(subject, way, cents)
            for verb in ("account", *WAYS[way]):
                self.actions.append(Action(len(self.actions), subject, verb, unit=subject))


class InvoicePeople(BillingPeople):
    """Who makes invoices in Togai, and who pays them in Stripe."""

    def __init__(self, cluster: Cluster, patience: float, invoices: dict[str, Invoice]) -> None:
        super().__init__(cluster, patience)
        self._invoices = invoices
        self._answered: set[str] = set()

    async def _account(self, action: Action) -> None:
        one = self._invoices.get(action.subject)
        await self.add_account(action.subject, "DE" if one and one.way in TAXED else "")

    async def _make(self, action: Action, status: str) -> None:
        invoice = self._invoices[action.subject]
        lines = [{"name": f"Part {n}", "amount": f"{Decimal(c).scaleb(-2)}"} for n, c in enumerate(invoice.cents)]
        body = {"account": self.organization, "togai_account": action.subject, "status": status, "lines": lines}
        body |= {"type": "COMPOSITE", "group": invoice.group} if invoice.group else {}
        invoice.made = str((await self.control("POST", "/togai/invoices", **body))["id"])

    async def _draft(self, action: Action) -> None:
        """It stays one until its tax stands in it."""
        await self._make(action, "DRAFT")
        invoice = self._invoices[action.subject]
        await self.found("the tax", lambda: self._tax(invoice))

    async def _tax(self, invoice: Invoice) -> str:
        """The tax of a draft, once it is there. Where Stripe's answer was lost, its transaction is reversed and
        recorded again, as the waiting run asks.
        """
        shown = good(await self.togai.get(f"/invoices/{invoice.made}"))
        if f'"{TAX}"' in json.dumps(shown["revenueInfo"]):
            return "taxed"
        for run in await self.runs_of(invoice.made):
            asks = run["state"] == "parked" and "reverse that transaction" in run["reason"]
            if asks and run["id"] not in self._answered:
                await self._reverse(invoice)
                if await self.decided("resync", invoice.made):
                    self._answered.add(run["id"])
        return ""

    async def _reverse(self, invoice: Invoice) -> None:
        """As a person does in Stripe's pages, which show the transactions that its API does not list."""
        state = await self.control("GET", f"/state?account={self.stripe_account}")
        for name in standing(state["tax_transactions"]).get(invoice.made, ()):
            body = {"mode": "full", "original_transaction": name, "reference": f"{name} taken back by hand"}
            await self.stripe.post("/v1/tax/transactions/create_reversal", data=body)

    async def _due(self, action: Action) -> None:
        made = self._invoices[action.subject].made
        if made:
            await self.control("PATCH", f"/togai/invoices/{made}", account=self.organization, status="DUE")
        else:
            await self._make(action, "DUE")

    async def _method(self, action: Action) -> None:
        """A card is the default of the account's customer."""
        customer = await self.found("the customer", lambda: self.setting("StripeCustomerId", "ACCOUNT", action.subject))
        card = good(await self.stripe.post("/v1/payment_methods/pm_card_visa/attach", data={"customer": customer}))
        data = {"invoice_settings[default_payment_method]": card["id"]}
        good(await self.stripe.post(f"/v1/customers/{customer}", data=data))

    async def _group(self, action: Action) -> None:
        """The account is the second one of a group: Togai takes no payment by the first."""
        first = f"{action.subject}-first"
        await self.add_account(first)
        body = {"name": action.subject, "email": f"all-{action.subject}{BILLED}", "dailyInvoiceConsolidation": False}
        body |= {"accountIds": [first, action.subject], "address": {"country": "DE"}}
        made = good(await self.togai.post("/invoice_groups", json=body))
        self._invoices[action.subject].group = str(made["id"])

    async def _sent(self, action: Action) -> str:
        """The Stripe invoice, once Togai's Settings name it."""
        made = self._invoices[action.subject].made
        return await self.found("the Stripe invoice", lambda: self.setting("StripeInvoiceId", "INVOICE", made))

    async def _pay(self, action: Action, amount: int | None = None) -> None:
        sent = await self._sent(action)
        body = {"account": self.stripe_account, "outcome": "succeeded", "amount": amount}
        await self.control("POST", f"/stripe/invoices/{sent}/pay", **body)

    async def _pay_part(self, action: Action) -> None:
        await self._pay(action, self._invoices[action.subject].total // 3)

    async def _refund(self, action: Action) -> None:
        sent = await self._sent(action)
        rows = good(await self.stripe.get("/v1/invoice_payments", params={"invoice": sent}))["data"]
        intent = str(rows[0]["payment"]["payment_intent"])
        good(await self.stripe.post("/v1/refunds", data={"payment_intent": intent}))

    async def _void(self, action: Action) -> None:
        await self._sent(action)
        made = self._invoices[action.subject].made
        await self.control("PATCH", f"/togai/invoices/{made}", account=self.organization, status="VOID")

    async def _void_stripe(self, action: Action) -> None:
        good(await self.stripe.post(f"/v1/invoices/{await self._sent(action)}/void"))


class Invoices:
    """The invoices' part."""

    def __init__(self, seed: int, events: int, cluster: Cluster, patience: float) -> None:
        story = Story(seed, events)
        self.actions, self._invoices = story.actions, story.invoices
        self.people = InvoicePeople(cluster, patience, story.invoices)

    def laws(self, facts: Facts) -> Laws:
        """What must hold of what the people made."""
        found = list(self._invoices.values())
        to_the_cent = chain(cents(facts, found), taxes(facts, found))
        broken = {"lost": lost(facts, found), "doubled": doubled(facts, found), "fields": to_the_cent}
        return Laws(broken, frozenset(), lambda: {"invoices": len(found)})


def standing(rows: list[Json]) -> dict[str, list[str]]:
    """The tax transactions that are not reversed, by the invoice of Togai that their metadata name."""
    reversed_ = {row["reversal"]["original_transaction"] for row in rows if row["reversal"]}
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if not row["reversal"] and row["id"] not in reversed_:
            found[row["metadata"].get("togai_invoice_id", "")].append(row["id"])
    return found


def taxes(facts: Facts, wanted: list[Invoice]) -> Iterator[Broken]:
    """The tax of what is not void stands at Stripe once, to the cent; of what is void, none does."""
    rows = facts.stripe_state["tax_transactions"]
    by_id, found = {row["id"]: row for row in rows}, standing(rows)
    for one in (one for one in wanted if one.made and one.tax):
        right = [] if ENDS[one.way][0] == "void" else [one.tax]
        there = [sum(line["amount_tax"] for line in by_id[name]["line_items"]["data"]) for name in found[one.made]]
        if there != right:
            yield Broken("doubled" if len(there) > 1 else "fields", one.subject, f"tax {there} at Stripe, not {right}")


def at_stripe(facts: Facts) -> dict[str, list[Json]]:
    """Stripe's invoices by the one of Togai that they collect."""
    found: dict[str, list[Json]] = defaultdict(list)
    for row in facts.stripe_state["invoices"]:
        found[row["metadata"].get("togai_invoice_id", "")].append(row)
    return found


def charges(facts: Facts) -> dict[str, list[Json]]:
    """Stripe's payment intents by the invoice of Togai that they collect."""
    found: dict[str, list[Json]] = defaultdict(list)
    for row in facts.stripe_state["payment_intents"]:
        if name := row["metadata"].get("togai_invoice_id"):
            found[name].append(row)
    return found


def right_end(one: Invoice, charged: list[Json]) -> tuple[str, str]:
    """What must have come of an invoice, by what collects it."""
    if one.way == "charged":
        return CHARGED if charged else SENT
    return ENDS[one.way]


def counted(facts: Facts) -> dict[str, list[Json]]:
    """Togai's payments by the invoice that they pay."""
    found: dict[str, list[Json]] = defaultdict(list)
    for row in facts.togai_state["payments"]:
        for line in row["lineItemRecords"]:
            found[str(line.get("togaiId"))].append(row)
    return found


def lost(facts: Facts, wanted: list[Invoice]) -> Iterator[Broken]:
    """Each is at Stripe, was sent, and ended at both sides as people ended it."""
    made, mails = at_stripe(facts), Counter(mail["invoice"] for mail in facts.stripe_state["mails"])
    togai, intents = {row["id"]: row for row in facts.togai_state["invoices"]}, charges(facts)
    for one in (one for one in wanted if one.made):
        rows = intents[one.made] or made[one.made]
        if not rows or not (intents[one.made] or mails[rows[0]["id"]]):
            yield Broken("lost", one.subject, f"{one.made}: {len(rows)} at Stripe, sent {bool(rows)} times")
            continue
        ends = rows[0]["status"], togai[one.made]["status"]
        right = right_end(one, intents[one.made])
        if ends != right:
            yield Broken("lost", one.subject, f"{one.made} is {ends}, and {one.way} makes it {right}")


def doubled(facts: Facts, wanted: list[Invoice]) -> Iterator[Broken]:
    """One at Stripe, or one payment intent in its place; one mail, each payment once, one customer of a group."""
    known, mails = {one.made: one for one in wanted}, Counter(m["invoice"] for m in facts.stripe_state["mails"])
    intents, groups = charges(facts), {one.group for one in wanted if one.group}
    for made, rows in at_stripe(facts).items():
        if made not in known or len(rows) > 1:
            yield Broken("doubled", made, f"{len(rows)} invoices at Stripe")
        yield from (Broken("doubled", made, "it was sent twice") for row in rows if mails[row["id"]] > 1)
    both = {made: [*rows, *at_stripe(facts)[made]] for made, rows in intents.items()}
    for made, rows in both.items():
        if made not in known or known[made].way != "charged" or len(rows) > 1:
            yield Broken("doubled", made, f"{len(rows)} payment intents and invoices at Stripe")
    payers = Counter(row["metadata"].get("togai_invoice_group_id") for row in facts.stripe_state["customers"])
    yield from (Broken("doubled", name, f"{payers[name]} customers of it") for name in groups if payers[name] > 1)
    numbers = Counter(row["externalPaymentReferences"]["transactionNumber"] for row in facts.togai_state["payments"])
    yield from (Broken("doubled", number, "it was counted twice") for number, times in numbers.items() if times > 1)


def cents(facts: Facts, wanted: list[Invoice]) -> Iterator[Broken]:
    """What Stripe asks for is what is due, and what Togai counts is what was paid."""
    made, payments, intents = at_stripe(facts), counted(facts), charges(facts)
    for one in (one for one in wanted if one.made):
        paid = sum(Decimal(str(row["totalAmount"])).scaleb(2) for row in payments[one.made])
        right = one.total if right_end(one, intents[one.made])[0] in ("paid", "succeeded") else 0
        if paid != right:
            yield Broken("fields", one.subject, f"{paid} cents are counted in Togai, {right} were paid")
        for row in [*made[one.made], *intents[one.made]]:
            asked = row["total"] if row["object"] == "invoice" else row["amount"]
            if (asked, row["currency"]) != (one.total, "usd"):
                yield Broken("fields", one.subject, f"{asked} {row['currency']} at Stripe, {one.total} is due")
