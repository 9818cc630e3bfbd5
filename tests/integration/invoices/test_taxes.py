"""Tax by Stripe: in Togai while it is a draft, once at Stripe, and on the Stripe invoice as tax."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.invoices.conftest import OUT, Invoices
from tests.stack.in_process import InProcess

TAX = "togai-invoice-draft-to-stripe-tax"
CHARGE = "Tax (calculated by Stripe)"
Json = dict[str, Any]


class Taxes:
    """What a test sees of taxes at both vendors."""

    def __init__(self, invoices: Invoices, tandem: InProcess) -> None:
        self.invoices = invoices
        self.tandem = tandem

    def charges(self, invoice: str) -> dict[str, float]:
        """Togai's miscellaneous charges of an invoice, by name."""

        def below(node: Json) -> list[Json]:
            return [node, *(one for item in node.get("lineItems", ()) for one in below(item))]

        rows = below(self.invoices.togai(invoice)["revenueInfo"])
        return {row["description"]: row["value"] for row in rows if row["type"] == "MISCELLANEOUS_CHARGE"}

    def put(self, invoice: str, *items: Json) -> None:
        """What somebody else charges on a draft, in place of all that stands there."""
        body = {"items": list(items)}
        self.tandem.call("togai", "PUT", f"/invoices/{invoice}/miscellaneous_charges", json=body)

    def transactions(self) -> list[tuple[str, int]]:
        """Type and tax of each transaction at Stripe, the oldest first."""
        state = self.tandem.control.call("GET", "/state", account=self.tandem.accounts["stripe"]["id"])
        return [
            (row["type"], sum(line["amount_tax"] for line in row["line_items"]["data"]))
            for row in state["tax_transactions"]
        ]

    def calls(self) -> int:
        calls = self.tandem.control.call("GET", "/calls", account=self.tandem.accounts["stripe"]["id"])["calls"]
        return sum(1 for call in calls if call["operation"].startswith("tax"))

    async def draft(self, *amounts: str, **more: Any) -> str:
        """A draft that Togai has finalized."""
        return await self.invoices.generated(*amounts, status="DRAFT", **more)

    async def due(self, invoice: str) -> None:
        self.invoices.change(invoice, status="DUE")
        await self.invoices.bring(invoice, "invoice.updated")

    def waits(self, flow: str) -> str:
        run = [run for run in self.tandem.runs() if run.flow == flow][-1]
        return run.problem.code if run.problem and run.state == "parked" else run.state


@pytest.fixture
async def taxes(invoices: Invoices, tandem: InProcess) -> Taxes:
    """It is on, and the customer is in Germany: 19 percent."""
    [customer] = tandem.customers()
    tandem.change(customer["id"], **{"address[country]": "DE", "address[postal_code]": "10115"})
    await tandem.drain()
    await tandem.link(TAX)
    await tandem.link(OUT, tax="stripe")
    return Taxes(invoices, tandem)


async def test_a_draft_is_taxed_and_billed_with_its_tax(taxes: Taxes, invoices: Invoices, tandem: InProcess) -> None:
    """As tax, to the cent; the same news again calculates nothing."""
    invoice = await taxes.draft("100", "0.05")
    charged, total, calls = taxes.charges(invoice), invoices.togai(invoice)["totalAmount"], taxes.calls()
    await invoices.bring(invoice, "invoice.updated")
    await taxes.due(invoice)
    [made] = invoices.stripe()
    invoices.pay(made["id"])
    await tandem.drain()

    assert (charged, total, taxes.calls()) == ({CHARGE: 19.01}, 119.06, calls)
    assert (made["total"], made["total_excluding_tax"], made["automatic_tax"]["enabled"]) == (11_906, 10_005, False)
    assert sorted(invoices.lines(made["id"])) == [("Part 1", 10_000), ("Part 2", 5)]
    assert (taxes.transactions(), invoices.togai(invoice)["status"]) == ([("transaction", 1901)], "PAID")
    assert tandem.letters() == []


async def test_what_togai_taxes_itself_is_taxed_once(taxes: Taxes, invoices: Invoices, tandem: InProcess) -> None:
    """Its own tax stands in the draft: Stripe calculates none beside it."""
    invoice = await taxes.draft("100", tax="19")

    assert (taxes.waits(TAX), taxes.calls(), taxes.charges(invoice)) == ("skipped", 0, {})
    assert invoices.togai(invoice)["totalAmount"] == 119


async def test_charges_of_others_stay(taxes: Taxes, invoices: Invoices, tandem: InProcess) -> None:
    """And are taxed; a draft that changes is taxed again, its former transaction reversed."""
    invoice = await taxes.draft("100")
    taxes.put(invoice, {"name": "Setup", "value": "10.50"}, {"name": "Seats", "rate": 2, "quantity": 10})
    await invoices.bring(invoice, "invoice.updated")
    after = taxes.charges(invoice)
    taxes.put(invoice)
    await invoices.bring(invoice, "invoice.updated")

    assert after == {"Setup": 10.5, "Seats": 20, CHARGE: 24.8}
    assert taxes.charges(invoice) == {CHARGE: 19}
    assert taxes.transactions() == [
        ("transaction", 1900), ("reversal", -1900), ("transaction", 2480), ("reversal", -2480), ("transaction", 1900),
    ]  # fmt: skip
    assert tandem.letters() == []


@pytest.mark.parametrize("status", ["DRAFT", "DUE"])
async def test_what_is_voided_is_reversed_once(
    taxes: Taxes, invoices: Invoices, tandem: InProcess, status: str
) -> None:
    """Whether it was sent or not."""
    invoice = await taxes.draft("100")
    if status == "DUE":
        await taxes.due(invoice)
    invoices.change(invoice, status="VOID")
    for _ in range(2):
        await invoices.bring(invoice, "invoice.updated")

    assert taxes.transactions() == [("transaction", 1900), ("reversal", -1900)]
    assert tandem.letters() == []


async def test_what_was_never_a_draft_is_held(taxes: Taxes, invoices: Invoices, tandem: InProcess) -> None:
    """It says so; so is one whose charge somebody changed."""
    await invoices.generated("100")
    never = (taxes.waits(OUT), invoices.stripe())
    invoice = await taxes.draft("100")
    await tandem.link(TAX, enabled=False)
    taxes.put(invoice, {"name": CHARGE, "value": "1"})
    await taxes.due(invoice)

    assert never == ("no_tax", [])
    assert (taxes.waits(OUT), invoices.stripe()) == ("no_tax", [])


async def test_a_customer_that_is_nowhere_waits(taxes: Taxes, invoices: Invoices, tandem: InProcess) -> None:
    """Stripe cannot tell its tax; where none is asked for, the invoice has none."""
    [customer] = tandem.customers()
    tandem.change(customer["id"], address="")
    await tandem.drain()
    invoice = await taxes.draft("100")
    waits = taxes.waits(TAX)
    tandem.change(customer["id"], **{"address[country]": "US", "address[postal_code]": "10115"})
    await tandem.recheck()
    await taxes.due(invoice)

    assert waits == "no_address"
    assert [made["total"] for made in invoices.stripe()] == [10_000]
    assert taxes.transactions() == [("transaction", 0)]


@pytest.mark.parametrize("kind", ["cut_before", "cut_after", "error_before"])
@pytest.mark.parametrize("operation", ["tax_calculations.create", "tax_transactions.create_from_calculation"])
async def test_faults_record_once(
    taxes: Taxes, invoices: Invoices, tandem: InProcess, operation: str, kind: str
) -> None:
    """Whatever Stripe answers."""
    more = {"stored": True} if kind == "error_before" else {}
    match = {"operation": operation, "account": tandem.accounts["stripe"]["id"]}
    with tandem.control.fault(app="stripe", kind=kind, match=match, times=1, **more):
        invoice = await taxes.draft("100")
    for _ in range(2):
        await tandem.recheck()

    assert (taxes.charges(invoice), taxes.transactions()) == ({CHARGE: 19}, [("transaction", 1900)])


async def test_an_answer_that_is_lost_for_good_waits(taxes: Taxes, invoices: Invoices, tandem: InProcess) -> None:
    """Stripe stored an error though it recorded the tax: nothing is recorded twice, a person puts it right."""
    match = {"operation": "tax_transactions.create_from_calculation", "account": tandem.accounts["stripe"]["id"]}
    with tandem.control.fault(app="stripe", kind="error_after", match=match, times=1, stored=True):
        invoice = await taxes.draft("100")
    for _ in range(4):
        await tandem.recheck()
    waits = (taxes.waits(TAX), taxes.transactions(), taxes.charges(invoice))
    await invoices.decide("resync", invoice)

    assert waits == ("tax_recorded", [("transaction", 1900)], {})
    assert taxes.charges(invoice) == {CHARGE: 19}


async def test_it_is_off_unless_a_person_switches_it_on(invoices: Invoices, tandem: InProcess) -> None:
    """Togai's own tax goes as it did."""
    invoice = await invoices.generated("100", status="DRAFT", tax="7")
    invoices.change(invoice, status="DUE")
    await invoices.bring(invoice, "invoice.updated")
    [made] = invoices.stripe()

    assert (made["total"], made["total_excluding_tax"]) == (10_700, 10_000)
