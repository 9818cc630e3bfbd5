"""What runs tell of an invoice: which one they are about, what it is after them, and its amounts. Pure.

Every run that has learnt what an invoice is names it and its state; the newest such run holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared import money
from shared.domains.invoices.checkouts import ACTION as CHECKOUT
from shared.domains.invoices.states import STATES, InvoiceState
from shared.domains.progress import Progress

STATE_OF_STATUS: dict[str, InvoiceState] = {
    "draft": "draft",
    "open": "open",
    "paid": "paid",
    "void": "void",
    "uncollectible": "uncollectible",
}
"""By the status of the Stripe invoice."""
AT_ITS_END: tuple[InvoiceState, ...] = ("paid", "refunded", "void", "uncollectible")
ASKED_FOR: tuple[InvoiceState, ...] = ("open", "failed", "partly paid")
"""States in which Stripe asks its customer for money."""
MADE_ALREADY = ("closed_in_stripe", "paid_elsewhere")
"""Codes of runs that wait for what a person does with an invoice that Stripe has."""

READ_CHECKOUT = CHECKOUT.name
UNDER_WAY, CANCELED = "payment under way", "payment canceled"
"""What Togai's Settings say of an invoice whose payment intent is on its way, or was canceled."""
REFUND_ASKED = "refund_asked"
"""Code of a run that waits until a person refunds in Stripe what Togai asks to give back."""
PAID_IN_PART = "paid_in_part"
"""Code of a run that waits until a person collects what an intent that was paid does not cover."""
WAITING_AS: dict[str, InvoiceState] = {
    REFUND_ASKED: "paid", PAID_IN_PART: "partly paid", "asks_too_much": "open", "asks_too_little": "open",
}  # fmt: skip
"""By the code of a run that waits: what the invoice is, which may be known from no other run."""


def invoice_of(progress: Progress) -> str:
    """The full ref of Togai's invoice that a run is about; empty if it is about none."""
    return progress.of_kind("togai", "invoice")


def state_of(progress: Progress) -> InvoiceState | None:
    """What an invoice is after a run; None where the run has learnt nothing of it."""
    done = progress.done
    if progress.waits in WAITING_AS and not progress.ended:
        return WAITING_AS[progress.waits]
    for action in ("stripe.invoice.read_state", "stripe.payment_intent.read_state"):
        if snapshot := done.get(action):
            return next((state for state in STATES if state == snapshot.get("state")), None)
    if closed := done.get("stripe.invoice.close"):
        return STATE_OF_STATUS.get(str(closed.get("status")))
    if paid := done.get("stripe.invoice.read_payments") or done.get(READ_CHECKOUT):
        # One that found everything counted knows no more than was known.
        counted = done.get("togai.invoice.pay", {}).get("payments")
        return ("paid" if paid.get("status") == "paid" else "partly paid") if counted else None
    if "stripe.invoice.finalize" in done or "stripe.payment_intent.charge" in done:
        return "open"
    started = "togai.invoice.read" in progress.ran
    if started and progress.state == "dead":
        return "failed"
    if not started or progress.ended or progress.waits in MADE_ALREADY:
        return None
    return "draft" if "stripe.invoice.create" in done else "waiting"


@dataclass
class Known:
    """What is known of an invoice from its runs, the oldest first. Amounts are in minor units."""

    ref: str
    state: str = ""
    at: str = ""
    account: str = ""
    currency: str = ""
    number: str = ""
    stripe_id: str = ""
    togai_status: str = ""
    stripe_status: str = ""
    url: str = ""
    stripe_ref: str = ""
    refund_asked: str = ""
    reason: str = ""
    recorded: str = ""
    due: int | None = None
    asked: int | None = None
    amounts: dict[str, int] = field(default_factory=dict)
    payments: dict[str, int] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    owed: dict[str, int] = field(default_factory=dict)
    facts: list[dict[str, Any]] = field(default_factory=list)

    def add(self, progress: Progress) -> None:
        """Take in what a later run tells."""
        done = progress.done
        for given in done.values():
            self.currency = str(given.get("currency") or self.currency)
            self.number = str(given.get("number") or self.number)
            self.url = str(given.get("url") or self.url)
            self.account = str(given.get("account_id") or given.get("group_id") or self.account)
            self.stripe_id = str(given.get("stripe_invoice_id") or given.get("payment_intent") or self.stripe_id)
        self.stripe_ref = (
            progress.of_kind("stripe", "invoice") or self.stripe_ref or progress.of_kind("stripe", "payment_intent")
        )
        if progress.waits == REFUND_ASKED and not progress.ended:
            self.refund_asked, self.togai_status = progress.reason, "REFUND_INITIATED"
        for action in ("stripe.invoice.finalize", "stripe.invoice.read_state"):
            self.due = done.get(action, {}).get("due_date", self.due)
        self._add_statuses(done)
        if paid := done.get("stripe.invoice.read_payments") or done.get(READ_CHECKOUT):
            # What a checkout paid is no payment of the Stripe invoice.
            self.payments |= {one["transaction"]: one["amount"] for one in paid["payments"]}
            self.amounts |= {"paid": sum(self.payments.values()), "overpaid": paid["overpaid"]}
            self.owed |= done.get("togai.invoice.pay", {}).get("owed", {})
        if intent := done.get("stripe.payment_intent.read_state"):
            self.payments = {one["transaction"]: one["amount"] for one in intent["payments"]}
            self.amounts |= {"total": intent["total"], "paid": sum(self.payments.values())}
            self.recorded = intent["recorded"]
            self._add_surplus(done.get("togai.invoice.pay"))
        if facts := done.get("togai.invoice.read"):
            self.amounts.setdefault("total", facts["total"])
            self.asked = facts["total"]
        if snapshot := done.get("stripe.invoice.read_state"):
            names = ("total", "tax", "paid", "refunded", "disputed", "credited", "overpaid")
            self.amounts |= {name: snapshot[name] for name in names if name in snapshot}
            self.facts, self.recorded = snapshot["facts"], snapshot["recorded"]
        # An invoice that is at its end waits for nothing while news of it is looked at.
        if (state := state_of(progress)) and not (state == "waiting" and self.state in AT_ITS_END):
            self.state, self.at, self.reason = state, progress.at, progress.reason
        if (
            READ_CHECKOUT in done
            and state
            and self.amounts["paid"] >= self.amounts.get("total", self.amounts["paid"] + 1)
        ):
            self.state, self.togai_status = "paid", "PAID"

    def _add_surplus(self, counting: Mapping[str, Any] | None) -> None:
        """What an intent brought, and Togai had nothing open for: of a Stripe invoice, Stripe tells it."""
        if counting is None or not self.payments:
            return
        for transaction, amount in counting["amounts"].items():
            self.counted[transaction] = money.exact(money.decimal(amount), self.currency)
        self.amounts["overpaid"] = sum(self.payments.values()) - sum(self.counted.values())

    @property
    def overpaid(self) -> int | None:
        """What was paid and nobody owed: Stripe's balance has it, or it was paid elsewhere before. None: not known."""
        at_stripe = self.amounts.get("overpaid")
        return at_stripe if not self.owed else (at_stripe or 0) + sum(self.owed.values())

    def is_overdue(self, now: float) -> bool:
        """Whether Stripe asks for it still, and the day has passed until when it was to be paid."""
        return self.due is not None and self.due < now and self.state in ASKED_FOR

    @property
    def is_canceled(self) -> bool:
        """Whether its payment intent was canceled: nobody can pay it by that."""
        return self.recorded == CANCELED

    @property
    def is_under_way(self) -> bool:
        """Whether its payment intent was confirmed, and what that brings is not counted yet."""
        return self.state == "open" and (
            self.recorded == UNDER_WAY or self.stripe_status in ("processing", "succeeded")
        )

    def _add_statuses(self, done: Mapping[str, Mapping[str, Any]]) -> None:
        """The last known status at each side."""
        for action, given in done.items():
            status = str(given.get("status") or "")
            if action == "togai.invoice.read":
                self.togai_status = status or "DUE"
            elif action == "togai.invoice.pay" and given.get("payments"):
                reads = ("stripe.payment_intent.read_state", "stripe.invoice.read_payments", READ_CHECKOUT)
                read = next((done[name] for name in reads if name in done), {})
                whole = read.get("state", read.get("status")) == "paid"
                self.togai_status = "PAID" if whole else "PARTIALLY_PAID"
            elif action in ("togai.invoice.record", "togai.invoice.read_status"):
                self.togai_status = status or self.togai_status
            elif action in ("stripe.invoice.read_payments", "stripe.invoice.close"):
                self.stripe_status = status or self.stripe_status
            elif action == "stripe.payment_intent.charge":
                self.stripe_status = status
            elif action == "stripe.payment_intent.read_state":
                self.stripe_status = "succeeded" if given.get("payments") else self.stripe_status
            elif action == "stripe.invoice.create":
                self.stripe_status = self.stripe_status or "draft"
            elif action == "stripe.invoice.finalize":
                self.stripe_status = "open"
            elif action == "stripe.invoice.read_state":
                self.stripe_status = STATUS_OF_STATE.get(str(given.get("state")), self.stripe_status)


STATUS_OF_STATE = {
    "draft": "draft", "open": "open", "failed": "open", "partly paid": "open", "paid": "paid", "refunded": "paid",
    "void": "void", "uncollectible": "uncollectible",
}  # fmt: skip
"""By what a snapshot says: the status of the Stripe invoice."""


def known_of(ref: str, of_one: Iterable[Progress]) -> Known:
    """What the runs of an invoice tell, in whatever order they are given."""
    known = Known(ref)
    for progress in sorted(of_one, key=lambda one: one.at):
        known.add(progress)
    return known
