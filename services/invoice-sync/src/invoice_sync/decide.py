"""Whether an invoice of Togai is to be collected, and what becomes of one of Stripe. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from shared.domains.invoices.progress import CANCELED, UNDER_WAY
from shared.domains.invoices.states import InvoiceState
from shared.domains.invoices.stripe import LINE
from shared.domains.invoices.togai import InvoiceLine, InvoicePayment
from shared.errors import Malformed, Waiting
from shared.polls import epoch

from shared import money

WHY_NOT = {
    "DRAFT": "it is a draft: its move to DUE starts this again",
    "MERGED": "it was merged into the invoice of its group, which carries the money",
    "PAID": "it is paid already",
    "VOID": "it is void",
    "UN_COLLECTIBLE": "Togai gave it up as uncollectible",
    "REFUND_INITIATED": "it was paid, and is being refunded",
    "REFUND_COMPLETED": "it was paid and refunded",
}
"""Why an invoice in a status is not collected."""
COLLECTED = ("DUE", "PARTIALLY_PAID")


@dataclass(frozen=True)
class Amounts:
    """What an invoice comes to, in whole units of its currency."""

    currency: str
    total: Decimal
    paid: Decimal

    @property
    def rest(self) -> Decimal:
        """What is still to be collected."""
        return self.total - self.paid


def amounts_of(invoice: Mapping[str, Any]) -> Amounts:
    """Currency and amounts. Raises Malformed for an invoice that names no currency.

    Togai's invoices have no currency of their own: the tree's unit is it, else that of the account or group.
    """
    details, tree = invoice.get("invoiceDetails") or {}, invoice.get("revenueInfo") or {}
    owner = details.get("invoiceGroup") or details.get("account") or {}
    currency = str(tree.get("units") or owner.get("invoiceCurrency") or "").upper()
    if len(currency) != 3:
        raise Malformed(f"invoice {invoice.get('id')} names no currency")
    given = (invoice.get("totalAmount"), invoice.get("paidAmount") or 0)
    total, paid = (money.of_double(money.decimal(one)) for one in given)
    return Amounts(currency, total, paid)


def why_not(invoice: Mapping[str, Any], amounts: Amounts) -> str:
    """Why an invoice is not collected, in words; empty if it is."""
    status = str(invoice.get("status"))
    if invoice.get("finalizingStatus") == "FINALIZING":
        return "Togai is finalizing it: the next event starts this again"
    if status not in COLLECTED:
        return WHY_NOT.get(status, f"its status is {status}, which Tandem does not know")
    if invoice.get("invoiceClass") not in ("INVOICE", "ORDER"):
        return f"it is a {str(invoice.get('invoiceClass')).lower()}, and no invoice"
    if amounts.rest <= 0:
        return f"there is nothing to collect: {amounts.rest} {amounts.currency}"
    if money.minor(amounts.rest, amounts.currency) < money.step(amounts.currency):
        return f"{amounts.rest} {amounts.currency} is less than Stripe can collect"
    return ""


def was_before(invoice: Mapping[str, Any], since: str, *names: str) -> bool:
    """Whether the first time that an invoice tells under these names is before another one (RFC 3339; empty: never)."""
    found = next((moment for name in names if (moment := epoch(str(invoice.get(name) or "")))), 0.0)
    return bool(since and found) and found < epoch(since)


def bills(subscription: Mapping[str, Any]) -> bool:
    """Whether a subscription at Stripe bills its customer, or will."""
    return str(subscription.get("status")) in LIVE


LIVE = ("active", "trialing", "past_due", "unpaid")
"""Statuses of a subscription that bills."""


def due_params(due: int | None, net_term_days: int | None, default_days: int, now: float) -> dict[str, int]:
    """When a Stripe invoice is due: at Togai's own time if that is still to come, else after its net terms, else after
    so many days.
    """
    if due is not None and due > now + MARGIN:
        return {"due_date": due}
    return {"days_until_due": default_days if net_term_days is None else net_term_days}


def moved_due(due: int | None, params: Mapping[str, int]) -> str:
    """That Togai's due date (epoch seconds) could not be kept, in words; empty where it is, or where there is none."""
    if due is None or "days_until_due" not in params:
        return ""
    day, days = datetime.fromtimestamp(due, UTC).date(), params["days_until_due"]
    return f"Togai's due date {day} has passed, or does within the hour: it is due {days} days after it is finalized"


def group_of(invoice: Mapping[str, Any]) -> str:
    """The invoice group that owes an invoice of Togai; empty where an account does."""
    return str(((invoice.get("invoiceDetails") or {}).get("invoiceGroup") or {}).get("id") or "")


MARGIN = 3600
"""Seconds that a due date must be ahead when the draft is made: Stripe refuses one in the past."""


def payments_of(invoice: Mapping[str, Any]) -> list[InvoicePayment]:
    """What was paid of a Stripe invoice that shows its payments, each under the number of its payment intent, charge or
    record; pending, failed and canceled ones are no payments.
    """
    found = []
    for one in (invoice.get("payments") or {}).get("data") or ():
        payment = one.get("payment") or {}
        transaction = payment.get(str(payment.get("type")))
        if one.get("status") == "paid" and one.get("amount_paid") and transaction:
            found.append(InvoicePayment(transaction=str(transaction), amount=int(one["amount_paid"])))
    return found


class Attempt(NamedTuple):
    """The last failed attempt of a payment intent: by which method, Stripe's code, and its words."""

    method: str = ""
    code: str = ""
    said: str = ""


def attempt_of(intent: Mapping[str, Any]) -> Attempt:
    """The last attempt that failed; empty where none did, or where the intent has gone on since."""
    error = intent.get("last_payment_error") or {}
    method = error.get("payment_method") or {}
    return Attempt(str(method.get("id") or ""), str(error.get("code") or ""), str(error.get("message") or ""))


TO_CONFIRM = ("requires_confirmation", "requires_payment_method")
UNPAID = (*TO_CONFIRM, "requires_action")
"""Statuses in which a payment intent can be changed, paid by its customer, and canceled."""


CLOSED_AS: dict[str, InvoiceState] = {"VOID": "void", "UN_COLLECTIBLE": "uncollectible", "PAID": "paid"}
"""What an invoice is that nobody pays any more, by its status at Togai."""


def intent_payments(intent: Mapping[str, Any]) -> list[InvoicePayment]:
    """What a payment intent brought: nothing before it has succeeded, not while it is `processing`."""
    received = int(intent.get("amount_received") or 0)
    if intent.get("status") != "succeeded" or received <= 0:
        return []
    return [InvoicePayment(transaction=str(intent["id"]), amount=received)]


def intent_state(intent: Mapping[str, Any]) -> tuple[InvoiceState, str]:
    """What an invoice is by its payment intent, and what its Settings say of it."""
    status, attempt = intent.get("status"), attempt_of(intent)
    if status == "succeeded":
        return "paid", ""
    if status == "processing":
        return "open", UNDER_WAY
    if status == "canceled":
        return "failed", CANCELED
    if status == "requires_action" or attempt.code == "authentication_required":
        return "failed", "payment waits for its customer"
    return ("failed", "payment failed") if attempt.code else ("open", "")


def balance_of(stripe_invoice_id: str, rest: int) -> InvoicePayment:
    """What closed the rest of a paid invoice without a payment: customer balance, credit note, out of band."""
    return InvoicePayment(transaction=f"{stripe_invoice_id}:balance", amount=rest, kind="balance")


def is_right(invoice: Mapping[str, Any], currency: str, total: int) -> bool:
    """The penny gate: whether a draft comes to what is to be collected, in minor units, in its own currency."""
    return (str(invoice.get("currency")).upper(), invoice.get("total")) == (currency, total)


def differences(present: Sequence[Mapping[str, Any]], wanted: Sequence[InvoiceLine], currency: str) -> Iterator[str]:
    """What differs between the lines of a draft and those that it should have, line by line."""
    known = {(row.get("metadata") or {}).get(LINE): row for row in present}
    for line in wanted:
        row = known.get(line.id)
        here, there = (money.major(amount, currency) for amount in (int(row["amount"]) if row else 0, line.amount))
        if row is None:
            yield f"{line.description}: missing in Stripe, {there} in Togai"
        elif here != there:
            yield f"{line.description}: {here} in Stripe, {there} in Togai"
    ids = {line.id for line in wanted}
    for row in present:
        if (row.get("metadata") or {}).get(LINE) not in ids:
            yield f"{row.get('description')}: {money.major(int(row['amount']), currency)} in Stripe, not in Togai"


def group_customer(group: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of an invoice group's customer at Stripe."""
    names = {"line1": "line1", "line2": "line2", "city": "city", "state": "state", "postalCode": "postal_code",
             "country": "country"}  # fmt: skip
    given = group.get("billingAddress") or {}
    address = {stripe: str(given[togai]) for togai, stripe in names.items() if given.get(togai)}
    found = {"name": group.get("name"), "email": group.get("email"), "address": address}
    return {name: value for name, value in found.items() if value}


def moved_by_balance(invoice: Mapping[str, Any]) -> int:
    """What the customer's balance at Stripe put on a finalized invoice, in minor units; negative: what it took off."""
    return int(invoice.get("starting_balance") or 0) - int(invoice.get("ending_balance") or 0)


def balance_left(transactions: Sequence[Mapping[str, Any]], stripe_invoice_id: str) -> int:
    """What of a customer's balance still stands on an invoice, by the balance's own records, in minor units: credit, or
    below zero what the customer owed from before.
    """
    return sum(int(one["amount"]) for one in transactions if one.get("invoice") == stripe_invoice_id)


def by_balance_of(invoice: Mapping[str, Any], currency: str) -> list[str]:
    """What the customer's balance at Stripe did to a finalized invoice, in words."""
    asked = moved_by_balance(invoice)
    moved = money.major(abs(asked), currency)
    if not asked:
        return []
    if asked < 0 and int(invoice.get("starting_balance") or 0) >= 0 and invoice.get("status") == "paid":
        return [f"{moved} {currency} are below Stripe's minimum charge: the customer owes them with the next invoice"]
    if asked < 0:
        return [f"{moved} {currency} of it are paid from the customer's balance at Stripe"]
    return [f"{moved} {currency} of the customer's balance at Stripe are asked for with it"]


def unpaid_of(invoice: Mapping[str, Any], payments: Sequence[InvoicePayment]) -> int:
    """What of a paid Stripe invoice no payment covers, in minor units: balance, credit notes, out of band."""
    asked = int(invoice.get("total") or 0) + max(0, moved_by_balance(invoice))
    return max(0, asked - sum(payment.amount for payment in payments))


def tax_of(invoice: Mapping[str, Any]) -> int:
    """The tax that a Stripe invoice shows, in minor units: it is a part of `total`, inclusive or not.

    Until 2025-03-31.basil the list was `total_tax_amounts`, with their sum as `tax` (source: Stripe's changelog).
    """
    rows = next((rows for name in ("total_taxes", "total_tax_amounts") if (rows := invoice.get(name))), None)
    return int(invoice.get("tax") or 0) if rows is None else sum(int(row["amount"]) for row in rows)


def overdue_since(invoice: Mapping[str, Any], now: float) -> str:
    """Since which day an open Stripe invoice should have been paid; empty for one that is not overdue."""
    due = invoice.get("due_date")
    if invoice.get("status") != "open" or due is None or due >= now:
        return ""
    return str(datetime.fromtimestamp(due, UTC).date())


def too_much(invoice: Mapping[str, Any], rest: int) -> int:
    """By how much an open Stripe invoice asks for more than the rest that Togai does: a part was paid elsewhere. What
    the customer's balance at Stripe put on it, or took off, is no part of that. Never more than is open.
    """
    open_there = int(invoice.get("amount_remaining") or 0)
    return min(open_there - moved_by_balance(invoice) - rest, open_there) if invoice.get("status") == "open" else 0


def closing_of(invoice: Mapping[str, Any], status: str) -> tuple[str, dict[str, str], str]:
    """What is done with a Stripe invoice that Togai closed: the call's verb and parameters, and a note where there is
    nothing to do. Raises Waiting where money came for an invoice that nobody owes any more.
    """
    now, paid = str(invoice.get("status")), int(invoice.get("amount_paid") or 0)
    if invoice.get("deleted") or now == "draft":
        return "", {}, "it is still a draft: nobody is asked to pay it" if now == "draft" else "it is deleted"
    credited = sum(int(invoice.get(f"{when}_payment_credit_notes_amount") or 0) for when in ("pre", "post"))
    if status == "VOID" and paid and credited >= int(invoice.get("total") or 0):
        return "", {}, "it was credited as a whole"
    if status == "VOID" and (now == "paid" or paid):
        raise Waiting(
            f"Togai's invoice is void, and {invoice['id']} was paid in Stripe ({paid} minor units): give a "
            "credit note of its whole total there, which refunds what was paid",
            code="paid_and_void",
        )
    verbs: dict[str, tuple[tuple[str, ...], str, dict[str, str]]] = {
        "VOID": (("open", "uncollectible"), "void", {}),
        "UN_COLLECTIBLE": (("open",), "mark_uncollectible", {}),
        "PAID": (("open", "uncollectible"), "pay", {"paid_out_of_band": "true"}),
    }
    whenever, verb, params = verbs[status]
    return (verb, params, "") if now in whenever else ("", {}, f"it is {now} already")
