"""What the payments, refunds, disputes and closings of one invoice come to: the written transition table. Pure.

Facts are Stripe's objects. Each moves along its row of `ORDER` only, so that late, early and doubled ones come to the
same; `outcome_of` reads off what the invoice is, and what Togai has to show.

| Stripe's invoice | money | it is | Togai's invoice |
| --- | --- | --- | --- |
| draft | | draft | stays |
| open | none | open, or failed after a failed attempt | stays |
| open | a part | partly paid | by the payment |
| paid | | paid | by the payment |
| paid | all of it refunded | refunded | PAID -> REFUND_INITIATED |
| void | | void | DUE, UN_COLLECTIBLE -> VOID |
| uncollectible | | uncollectible | DUE -> UN_COLLECTIBLE |

What Togai has no status for stands in words in the invoice's Settings: partial, pending and failed refunds, disputes,
credit notes, what is overpaid. A dispute, won or lost, leaves the invoice as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from shared.domains.invoices.states import InvoiceState
from shared.errors import NotReady

from shared import money

ORDER: Mapping[str, tuple[str, ...]] = {
    "invoice": ("draft", "deleted", "open", "uncollectible", "void", "paid"),
    "invoice_payment": ("open", "canceled", "paid"),
    "payment_intent": ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture",
                       "processing", "failed", "canceled", "succeeded"),
    "refund": ("requires_action", "pending", "succeeded", "canceled", "failed"),
    "credit_note": ("issued", "void"),
    "dispute": ("warning_needs_response", "warning_under_review", "warning_closed", "needs_response", "under_review",
                "prevented", "appeal_needs_response", "appeal_under_review", "lost", "won"),
}  # fmt: skip
"""The statuses of each kind of object, in the order in which they come: the latest one holds."""

BECOMES: Mapping[str, tuple[str, ...]] = {
    "VOID": ("DUE", "UN_COLLECTIBLE"), "UN_COLLECTIBLE": ("DUE",), "REFUND_INITIATED": ("PAID",),
}  # fmt: skip
"""The statuses of Togai's invoice from which each one is reached: no other one is left for it."""

_DISPUTES = {"won": "dispute won", "lost": "dispute lost", "warning_closed": "inquiry closed", "prevented": ""}
_REFUNDS = {"requires_action": "waits for the customer", "pending": "pending", "failed": "failed",
            "canceled": "canceled"}  # fmt: skip


class Fact(NamedTuple):
    """One of Stripe's objects, as far as it counts. `amount` is in minor units."""

    kind: str
    id: str
    status: str
    amount: int = 0

    @property
    def rank(self) -> tuple[int, int]:
        return (ORDER[self.kind].index(self.status), self.amount)


Facts = Mapping[tuple[str, str], Fact]


def fact_of(found: Mapping[str, Any]) -> Fact:
    """What one of Stripe's objects tells. Raises NotReady for a kind or status that this version does not know."""
    kind, status = str(found.get("object")), str(found.get("status"))
    if kind == "payment_intent" and status == "requires_payment_method" and found.get("last_payment_error"):
        status = "failed"
    if status not in ORDER.get(kind, ()):
        raise NotReady(
            f"{kind} {found.get('id')} is {status}, which this Tandem does not know: update it", code="unknown_status"
        )
    amounts = {"invoice": "total", "invoice_payment": "amount_paid"}
    return Fact(kind, str(found["id"]), status, int(found.get(amounts.get(kind, "amount")) or 0))


def gathered(objects: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Fact]:
    """The facts that objects tell, in whatever order and however often. Raises NotReady."""
    facts: dict[tuple[str, str], Fact] = {}
    for fact in map(fact_of, objects):
        key = (fact.kind, fact.id)
        facts[key] = max(facts.get(key, fact), fact, key=lambda one: one.rank)
    return facts


@dataclass(frozen=True)
class Outcome:
    """What an invoice is, what of it stands in Togai's Settings, and the status that Togai's shall have (or none).

    Amounts are in minor units.
    """

    state: InvoiceState
    recorded: str = ""
    status: str = ""
    paid: int = 0
    refunded: int = 0
    disputed: int = 0
    credited: int = 0


def outcome_of(
    facts: Facts,
    currency: str,
    *,
    overpaid: int = 0,
    finalization_error: str = "",
    kept_balance: int = 0,
    overdue_since: str = "",
) -> Outcome:
    """What the facts of one invoice come to. `kept_balance`: what of its customer's balance a void did not give back,
    below zero what was owed from before; `overdue_since`: the day until when an open one was to be paid, if that has
    passed.
    """
    [invoice] = _of(facts, "invoice")
    paid, refunded = _sum(facts, "invoice_payment", "paid"), _sum(facts, "refund", "succeeded")
    state, status = _state(facts, invoice.status, paid, refunded)
    words = [
        *_attempts(facts, state),
        *([f"overdue since {overdue_since}"] if overdue_since and invoice.status == "open" else []),
        *([f"not finalized: {finalization_error}"] if finalization_error and invoice.status == "draft" else []),
        *_money_back(facts, currency, paid, refunded),
        *([f"{_shown(overpaid, currency)} overpaid, in the customer's balance at Stripe"] if overpaid else []),
        *_balance_lost(kept_balance, currency),
    ]
    return Outcome(
        state,
        "; ".join(words),
        status,
        paid=paid,
        refunded=refunded,
        disputed=sum(one.amount for one in _of(facts, "dispute") if one.status == "lost"),
        credited=_sum(facts, "credit_note", "issued"),
    )


def _state(facts: Facts, invoice: str, paid: int, refunded: int) -> tuple[InvoiceState, str]:
    """What it is, and the status that follows for Togai's: the table above."""
    if invoice == "paid":
        return ("refunded", "REFUND_INITIATED") if 0 < paid <= refunded else ("paid", "")
    if invoice == "void":
        return "void", "VOID"
    if invoice == "uncollectible":
        return "uncollectible", "UN_COLLECTIBLE"
    if invoice in ("draft", "deleted"):
        return "draft", ""
    if paid:
        return "partly paid", ""
    return ("failed", "") if _last_failed(facts) else ("open", "")


def _last_failed(facts: Facts) -> bool:
    intents = [one.status for one in _of(facts, "payment_intent")]
    return "failed" in intents and "processing" not in intents


def _attempts(facts: Facts, state: InvoiceState) -> Iterator[str]:
    if state not in ("open", "failed", "partly paid"):
        return
    if any(one.status == "processing" for one in _of(facts, "payment_intent")):
        yield "payment under way"
    elif _last_failed(facts):
        yield "payment failed"


def _balance_lost(kept: int, currency: str) -> Iterator[str]:
    if kept > 0:
        yield f"{_shown(kept, currency)} of the customer's balance not given back"
    elif kept < 0:
        yield f"{_shown(-kept, currency)} owed from before are asked for no more: Stripe voided them with it"


def _money_back(facts: Facts, currency: str, paid: int, refunded: int) -> Iterator[str]:
    """Refunds, disputes and credit notes, in words."""
    if refunded >= paid > 0:
        yield f"refunded {_shown(refunded, currency)}"
    elif refunded:
        yield f"partly refunded: {_shown(refunded, currency)} of {_shown(paid, currency)}"
    for one in _of(facts, "refund"):
        if one.status in _REFUNDS:
            yield f"refund of {_shown(one.amount, currency)} {_REFUNDS[one.status]}"
    for one in _of(facts, "dispute"):
        if said := _DISPUTES.get(one.status, "disputed"):
            yield f"{said}: {_shown(one.amount, currency)}"
    if credited := _sum(facts, "credit_note", "issued"):
        yield f"credited {_shown(credited, currency)}"


def becomes(now: str, wanted: str) -> bool:
    """Whether Togai's invoice, which is `now`, is moved to the status that is wanted."""
    return now in BECOMES.get(wanted, ())


def _of(facts: Facts, kind: str) -> list[Fact]:
    return sorted(one for one in facts.values() if one.kind == kind)


def _sum(facts: Facts, kind: str, status: str) -> int:
    return sum(one.amount for one in _of(facts, kind) if one.status == status)


def _shown(amount: int, currency: str) -> str:
    return f"{money.major(amount, currency)} {currency}"
