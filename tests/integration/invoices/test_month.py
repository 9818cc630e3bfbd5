"""A month of mixed invoices in twelve currencies while both vendors fail: none lost or doubled, right to the cent."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.invoices.conftest import OUT, Invoices
from tests.stack.in_process import InProcess

DECIMALS = {
    "USD": 2, "EUR": 2, "GBP": 2, "INR": 2, "CHF": 2, "BRL": 2, "SEK": 2, "AUD": 2, "JPY": 0, "KRW": 0, "KWD": 3,
    "BHD": 3,
}  # fmt: skip
"""Written out here: the product's own table is what is tested."""
WHOLE = (pytest.mark.long("the gate has 24 of them"), pytest.mark.timeout(1200))
FAULTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("stripe", "rate_limited", {}), ("stripe", "error_after", {}), ("stripe", "error_before", {"stored": False}),
    ("togai", "rate_limited", {}), ("togai", "error_after", {}),
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """An invoice of Togai, what is to be collected of it in minor units, and whether its customer pays it."""

    id: str
    currency: str
    rest: int
    pays: str


class Month:
    """What happens in it. Amounts are whole minor units here, of which Togai sees the text."""

    def __init__(self, invoices: Invoices, seed: int) -> None:
        self.invoices = invoices
        self.tandem = invoices.tandem
        self._random = random.Random(seed)

    async def open_accounts(self) -> None:
        """One for each currency: a customer at Stripe has one."""
        for currency in DECIMALS:
            self.tandem.account(f"acc-{currency.lower()}", invoiceCurrency=currency)
            await self.tandem.drain()

    def text(self, minor: int, currency: str) -> str:
        return f"{Decimal(minor).scaleb(-DECIMALS[currency]):f}"

    def generate(self, number: int) -> Wanted:
        """One of seven kinds, in turn: plain, taxed, reduced, partly paid, of many parts, an order, a draft."""
        currency = list(DECIMALS)[number % len(DECIMALS)]
        step = 10 if DECIMALS[currency] == 3 else 1
        parts = [step * self._random.randint(20_000, 9_000_000) for _ in range(1 + self._random.randint(0, 4))]
        kind, rest = number % 7, sum(parts)
        one = step * self._random.randint(1, 9_999)
        more: dict[str, Any] = {}
        if kind == 1:
            more, rest = {"tax": self.text(one, currency)}, rest + one
        elif kind == 2:
            more, rest = {"discount": self.text(one, currency), "credits": self.text(step, currency)}, rest - one - step
        elif kind == 3:
            more, rest = {"paid": self.text(one, currency), "status": "PARTIALLY_PAID"}, rest - one
        elif kind == 4:
            parts, rest = [*parts, *[step] * 120], rest + 120 * step
        elif kind == 5:
            more = {"class": "ORDER"}
        elif kind == 6:
            more, rest = {"status": "DRAFT"}, 0
        amounts = [self.text(part, currency) for part in parts]
        invoice = self.invoices.generate(*amounts, account=f"acc-{currency.lower()}", currency=currency, **more)
        pays = ("whole", "parts", "nothing")[self._random.randint(0, 2)] if rest else "nothing"
        return Wanted(invoice, currency, rest, pays)

    async def end_waits(self) -> None:
        """Until nothing waits any more."""
        for _ in range(40):
            await self.tandem.drain()
            if not self.tandem.parked:
                return
            await self.tandem.recheck()
        raise AssertionError(f"still waiting: {list(self.tandem.parked)}")

    async def bill(self, wanted: Wanted) -> None:
        """It comes, and its customer pays."""
        await self.invoices.bring(wanted.id)
        await self.end_waits()
        if wanted.pays == "nothing":
            return
        made = next(row for row in self.rows() if row["metadata"]["togai_invoice_id"] == wanted.id)
        first = made["total"] // 20 * 10 or None
        for amount in (None,) if wanted.pays == "whole" else (first, None):
            self.invoices.pay(made["id"], amount=amount)
            await self.end_waits()

    def rows(self) -> Iterator[dict[str, Any]]:
        """The invoices at Stripe, the newest first: page by page, as far as somebody reads."""
        params: dict[str, Any] = {"limit": 100}
        while True:
            page = self.tandem.call("stripe", "GET", "/v1/invoices", params=params)
            yield from page["data"]
            if not page["has_more"]:
                return
            params = {"limit": 100, "starting_after": page["data"][-1]["id"]}

    def made(self) -> dict[str, list[dict[str, Any]]]:
        """Every Stripe invoice, by the one of Togai that it collects."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows():
            found.setdefault(row["metadata"]["togai_invoice_id"], []).append(row)
        return found

    def payments(self) -> Counter[str]:
        """How often each transaction was counted in Togai."""
        found: Counter[str] = Counter()
        params: dict[str, Any] = {"pageSize": 50}
        while True:
            page = self.tandem.call("togai", "GET", "/payments", params=params)
            found.update(row["externalPaymentReferences"]["transactionNumber"] for row in page["data"])
            if not page.get("nextToken"):
                return found
            params = {"nextToken": page["nextToken"]}

    def wrong(self, wanted: Wanted, found: list[dict[str, Any]]) -> str:
        """What is not as it should be; empty for nothing."""
        if not wanted.rest:
            return "made" if found else ""
        if len(found) != 1:
            return f"{len(found)} at Stripe"
        status = "open" if wanted.pays == "nothing" else "paid"
        if (found[0]["total"], found[0]["currency"]) != (wanted.rest, wanted.currency.lower()):
            return f"{found[0]['total']} {found[0]['currency']}, and {wanted.rest} {wanted.currency} is right"
        togai = self.invoices.togai(wanted.id)
        open_there = Decimal(str(togai["totalAmount"])) - Decimal(str(togai["paidAmount"]))
        rest = 0 if status == "paid" else wanted.rest
        if open_there != Decimal(rest).scaleb(-DECIMALS[wanted.currency]):
            return f"{open_there} open in Togai"
        return "" if found[0]["status"] == status else f"{found[0]['status']} at Stripe"


@contextmanager
def failing(tandem: InProcess, share: float) -> Iterator[list[Any]]:
    """Both vendors refuse, fail, and fail after they did what was asked."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                tandem.control.fault(
                    app=app, kind=kind, probability=share, seed=seed,
                    match={"account": tandem.accounts[app]["id"], "method": "POST"}, **more,
                )
            )
            for seed, (app, kind, more) in enumerate(FAULTS)
        ]  # fmt: skip


@pytest.mark.parametrize("count", [24, pytest.param(2000, marks=WHOLE)])
async def test_a_month_is_billed_to_the_cent(
    invoices: Invoices, tandem: InProcess, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None lost, none doubled, no wrong cent; a second pass finds nothing to do."""
    monkeypatch.setattr("shared.runtime.creating.LEASE", 0)  # else each payment without answer takes 40 s
    month = Month(invoices, seed=count)
    await month.open_accounts()
    with failing(tandem, 0.06) as faults:
        wanted = [month.generate(number) for number in range(count)]
        for one in wanted:
            await month.bill(one)
        fired = [fault() for fault in faults]
    made, payments, mails = month.made(), month.payments(), len(invoices.mails())
    for one in wanted:
        invoices.tell(one.id, "invoice.updated")
    await tandem.drain()
    last = {run.aggregate.rpartition("/")[2]: run.state for run in tandem.runs() if run.flow == OUT}
    wrong = {one.id: why for one in wanted if (why := month.wrong(one, made.get(one.id, [])))}

    assert all(fired)
    assert wrong == {}
    assert (set(payments.values()), tandem.letters()) == ({1}, [])
    assert mails == sum(1 for one in wanted if one.rest)
    assert {last[one.id] for one in wanted} <= {"in_sync", "skipped"}
    assert (month.made(), month.payments(), len(invoices.mails())) == (made, payments, mails)
