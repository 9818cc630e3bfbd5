"""No cent is lost or made: whatever is done to invoices in whatever order, what they say adds up."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.contract.sandbox.inside import Inside
from tests.contract.sandbox.shop import Json, Shop

AMOUNTS = st.sampled_from([-700, -5, 0, 18, 49, 50, 999, 1000, 12345])
PARTS = st.sampled_from([1, 18, 50, 500, 999, 20000])
WHICH = st.integers(0, 3)


class MoneyMachine(RuleBasedStateMachine):
    """One customer with up to nine invoices, and everything that can be done to them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.app = Inside(Path(self.folder.name))
        self.invoices: list[str] = []
        self.moved = 0
        self.shop = Shop(self.app)
        self.customer = self.shop.customer()

    def teardown(self) -> None:
        """Looks a last time, and closes the application."""
        try:
            self.look()
        finally:
            self.app.close()
            self.folder.cleanup()

    def ask(self, path: str, **params: Any) -> bool:
        """A call that may be refused, in Stripe's way; whether it was not."""
        status = self.shop.call("POST", path, params).status_code
        assert status in (200, 400)
        return status == 200

    def at(self, which: int) -> str:
        """One of the newest invoices."""
        return f"invoices/{self.invoices[-1 - which % min(3, len(self.invoices))]}"

    @initialize()
    def first(self) -> None:
        """An invoice that is there from the start."""
        self.bill(1000)

    @rule(amount=st.sampled_from([-700, 0, 18, 999, 1000, 12345]))
    def bill(self, amount: int) -> None:
        """A new invoice that is finalized at once."""
        if len(self.invoices) < 9:
            self.invoices.append(self.shop.open_invoice(amount, customer=self.customer)["id"])

    @rule()
    def draft(self) -> None:
        """A new draft."""
        if len(self.invoices) < 9:
            self.invoices.append(self.shop.draft(customer=self.customer)["id"])

    @rule(which=WHICH, amounts=st.lists(AMOUNTS, min_size=1, max_size=3), tax=st.sampled_from([0, 200]))
    def add(self, which: int, amounts: list[int], tax: int) -> None:
        """Lines on a draft, with a tax on top or without."""
        data = {"display_name": "VAT", "percentage": 20, "inclusive": False}
        taxes = {"tax_amounts": [{"amount": tax, "taxable_amount": 1000, "tax_rate_data": data}]} if tax else {}
        self.ask(f"{self.at(which)}/add_lines", lines=[{"amount": amount, **taxes} for amount in amounts])

    @rule(which=WHICH, step=st.sampled_from(["finalize", "finalize", "send", "void", "mark_uncollectible", "pay"]))
    def step(self, which: int, step: str) -> None:
        """A step of an invoice."""
        self.ask(f"{self.at(which)}/{step}", **({"paid_out_of_band": True} if step == "pay" else {}))

    @rule(which=WHICH, outcome=st.sampled_from(["succeeded", "succeeded", "failed", "processing", "overpaid"]),
          amount=st.none() | PARTS)  # fmt: skip
    def pay(self, which: int, outcome: str, amount: int | None) -> None:
        """What a customer does at the page."""
        body = {"account": self.shop.account, "outcome": outcome, "amount": amount}
        answer = self.app.call("POST", f"/control/stripe/{self.at(which)}/pay", json=body)
        assert answer.status_code in (200, 409)

    @rule(which=WHICH, amount=PARTS, way=st.sampled_from(["", "refund_amount", "credit_amount", "out_of_band_amount"]))
    def credit(self, which: int, amount: int, way: str) -> None:
        """A credit note, before or after the payment."""
        id = self.at(which).partition("/")[2]
        if self.ask("credit_notes", invoice=id, amount=amount, **({way: amount} if way else {})):
            self.moved -= amount if way == "credit_amount" else 0

    @rule(which=WHICH, amount=st.none() | PARTS)
    def refund(self, which: int, amount: int | None) -> None:
        """A refund of one of the charges."""
        charges = self.shop.get("charges")["data"]
        if charges:
            given = {} if amount is None else {"amount": amount}
            self.ask("refunds", charge=charges[which % len(charges)]["id"], **given)

    @rule(amount=st.sampled_from([-300, 40]))
    def move_balance(self, amount: int) -> None:
        """Somebody changes the balance by hand."""
        self.ask(f"customers/{self.customer}/balance_transactions", amount=amount, currency="usd")
        self.moved += amount

    @rule()
    def look(self) -> None:
        """Everything adds up, at any moment."""
        if self.invoices:
            self.invoices_add_up()
            self.money_adds_up()
            self.paid_is_sent_once()

    def invoices_add_up(self) -> None:
        """Lines come to the total; total, balance and credit notes to what is due; what is due to paid and open."""
        for id in self.invoices:
            i = self.shop.get(f"invoices/{id}", expand=["payments", "amount_paid_off_stripe"])
            lines = self.shop.get(f"invoices/{id}/lines", limit=100)["data"]
            taxes = sum(tax["amount"] for line in lines for tax in line["taxes"])
            assert i["total"] == sum(line["amount"] for line in lines) + taxes
            if i["status"] == "draft":
                continue
            notes = i["pre_payment_credit_notes_amount"]
            assert i["amount_due"] == i["total"] + i["starting_balance"] - i["ending_balance"] - notes
            assert i["amount_remaining"] == i["amount_due"] - i["amount_paid"] + i["amount_overpaid"] >= 0
            assert (i["amount_remaining"] == 0) == (i["status"] == "paid") or i["status"] in ("void", "uncollectible")
            paid = sum(payment["amount_paid"] or 0 for payment in i["payments"]["data"])
            assert i["amount_paid"] == paid + i["amount_paid_off_stripe"]

    def money_adds_up(self) -> None:
        """The balance is the sum of its transactions, and what was refunded the sum of the refunds."""
        moves = self.shop.get(f"customers/{self.customer}/balance_transactions", limit=100)["data"]
        balance = self.shop.get(f"customers/{self.customer}")["balance"]
        assert balance == sum(move["amount"] for move in moves)
        assert balance == (moves[0]["ending_balance"] if moves else 0)
        assert balance == self.moved + sum(self.carried(id) for id in self.invoices)
        refunds = self.shop.get("refunds", limit=100)["data"]
        for charge in self.shop.get("charges", limit=100)["data"]:
            own = sum(refund["amount"] for refund in refunds if refund["charge"] == charge["id"])
            assert charge["amount_refunded"] == own <= charge["amount"]

    def carried(self, id: str) -> int:
        """What an invoice did to the balance: moved when it was finalized, back when voided, and what was overpaid."""
        invoice = self.shop.get(f"invoices/{id}")
        if invoice["status"] in ("draft", "void"):
            return 0
        return int(invoice["ending_balance"] - invoice["starting_balance"] - invoice["amount_overpaid"])

    def paid_is_sent_once(self) -> None:
        """ "invoice.paid" comes once for each invoice that is paid."""
        sent = [event["data"]["object"]["id"] for event in self.events("invoice.paid")]
        paid = [id for id in self.invoices if self.shop.get(f"invoices/{id}")["status"] == "paid"]
        assert sorted(sent) == sorted(paid)

    def events(self, type: str) -> list[Json]:
        """The events of a type."""
        found: list[Json] = self.shop.call("GET", "events", {"type": type, "limit": 100}).json()["data"]
        return found


# Nothing is made smaller after a failure: a step costs too much for that.
MoneyMachine.TestCase.settings = settings(
    max_examples=settings().max_examples // 10, stateful_step_count=25, phases=(Phase.explicit, Phase.generate)
)


class TestMoney(MoneyMachine.TestCase):  # type: ignore[misc, valid-type]
    """Runs of twenty-five steps."""
