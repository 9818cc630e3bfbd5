"""Whatever breaks on the way, there is one Stripe invoice with the right lines, one mail, and each payment once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from shared.events.envelope import Envelope
from shared.runtime import creating

from tests.integration.invoices.conftest import Invoices
from tests.stack.in_process import InProcess

Json = dict[str, Any]
STRIPE = ("invoices.create", "invoices.add_lines", "invoices.retrieve", "invoices.finalize", "invoices.send")
TOGAI = (
    ("GET", "/invoices/*"), ("GET", "/settings/*"), ("POST", "/settings"), ("POST", "/payments"),
)  # fmt: skip
OTHERS = pytest.mark.long("the gate breaks each call and dies at each record after it had its effect")
KINDS = (
    "error_after", "cut_after",
    *(pytest.param(kind, marks=OTHERS) for kind in ("error_before", "cut_before", "rate_limited", "html")),
)  # fmt: skip
"""How a call breaks; that what was done is not done again is what the gate holds."""
BEFORE_OR_AFTER = (pytest.param(True, id="after"), pytest.param(False, id="before", marks=OTHERS))
LINES = [("Part 1", 4950), ("Part 2", 1)]


@pytest.fixture(autouse=True)
def no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a call that may be under way holds up is looked at again at once: none is."""
    monkeypatch.setattr(creating, "LEASE", 0.0)


class Died(BaseException):
    """The process ends here."""


async def billed_and_paid(invoices: Invoices) -> str:
    """An invoice on its whole way, looked at again wherever something broke. Returns its id."""
    invoice = await invoices.generated("49.50", "0.01")
    for _ in range(6):
        await invoices.tandem.recheck()
    [made] = invoices.stripe()
    invoices.pay(made["id"])
    await invoices.tandem.drain()
    for _ in range(6):
        await invoices.tandem.recheck()
    return invoice


def check_done(invoices: Invoices, invoice: str) -> None:
    """The end that every way has."""
    [made] = invoices.stripe()
    assert (made["status"], made["total"], sorted(invoices.lines(made["id"]))) == ("paid", 4951, LINES)
    assert len(invoices.mails()) == 1
    assert [amount for _, amount in invoices.payments()] == ["49.51"]
    assert invoices.togai(invoice)["status"] == "PAID"
    assert invoices.settings(invoice)["StripeInvoiceId"] == made["id"]
    assert invoices.tandem.letters() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", STRIPE)
async def test_a_call_to_stripe_that_breaks(invoices: Invoices, kind: str, operation: str) -> None:
    """Before or after Stripe did it, with an answer or without one; an error that it stores under the key too."""
    match = {"account": invoices.tandem.accounts["stripe"]["id"], "operation": operation}
    with invoices.tandem.control.fault(app="stripe", kind=kind, match=match, times=1) as fired:
        invoice = await billed_and_paid(invoices)
        hits = fired()

    assert hits == 1
    check_done(invoices, invoice)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "path"), TOGAI)
async def test_a_call_to_togai_that_breaks(invoices: Invoices, kind: str, method: str, path: str) -> None:
    """A payment has no key there: what was posted is found again."""
    match = {"account": invoices.organization, "method": method, "path": path}
    with invoices.tandem.control.fault(app="togai", kind=kind, match=match, times=1) as fired:
        invoice = await billed_and_paid(invoices)
        hits = fired()

    assert hits == 1
    check_done(invoices, invoice)


class Mortal:
    """Kills the process at one of its records: when it was written, or right before."""

    def __init__(self, tandem: InProcess, at: int, *, written: bool) -> None:
        self._tandem = tandem
        self._append = tandem.log.append
        self._left = at
        self._written = written
        self.seen: Counter[str] = Counter()
        self.dead = False
        tandem.log.append = self.append  # type: ignore[method-assign]

    async def append(self, topic: str, key: str, value: bytes | None, **more: Any) -> Any:
        self.seen[topic] += 1
        self._left -= 1
        if self._left == 0 and not self._written:
            self.dead = True
            raise Died
        place = await self._append(topic, key, value, **more)
        if self._left == 0:
            self.dead = True
            raise Died
        return place


async def lived_through(invoices: Invoices, mortal: Mortal, event: Envelope | None) -> None:
    """Bring everything to its end; after a death another process gets the same event again."""
    tandem = invoices.tandem
    try:
        await tandem.drain()
    except Died:
        await tandem.restart()
        if event:
            tandem.deliver(event)
        await tandem.drain()
    for _ in range(3):
        await tandem.recheck()


@pytest.mark.parametrize("written", BEFORE_OR_AFTER)
@pytest.mark.parametrize("at", range(1, 15))
async def test_a_process_that_dies_on_the_way_out(invoices: Invoices, at: int, written: bool) -> None:
    """At each of its records: the next process goes on where it was, and no second mail is sent."""
    invoice = invoices.generate("49.50", "0.01")
    invoices.tell(invoice)
    event = invoices.tandem.waiting()[-1]
    mortal = Mortal(invoices.tandem, at, written=written)
    await lived_through(invoices, mortal, event)
    [made] = invoices.stripe()
    invoices.pay(made["id"])
    await invoices.tandem.drain()

    assert mortal.dead
    check_done(invoices, invoice)


@pytest.mark.parametrize("written", BEFORE_OR_AFTER)
@pytest.mark.parametrize("at", range(1, 8))
async def test_a_process_that_dies_on_the_way_back(invoices: Invoices, at: int, written: bool) -> None:
    """Of two events of one payment the second one finds what the first left."""
    invoice = await invoices.generated("49.50", "0.01")
    [made] = invoices.stripe()
    invoices.pay(made["id"])
    body = next(
        event
        for event in invoices.tandem.call("stripe", "GET", "/v1/events")["data"]
        if event["type"] == "invoice.paid"
    )
    mortal = Mortal(invoices.tandem, at, written=written)
    await lived_through(invoices, mortal, invoices.tandem.event_of(body))

    assert mortal.dead
    check_done(invoices, invoice)
