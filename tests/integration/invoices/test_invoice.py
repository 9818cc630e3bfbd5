"""An invoice of Togai becomes one of Stripe, equal to the cent and once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.contract.sandbox.tools import Control
from tests.integration.invoices.conftest import SERVICES, Invoices, without_address
from tests.stack.in_process import InProcess, in_process


async def test_a_due_invoice_is_made_and_sent(invoices: Invoices) -> None:
    """Line by line, to the cent, once by e-mail; its Settings say where it is paid."""
    invoice = await invoices.generated("49.50", "0.01")
    [made] = invoices.stripe()

    assert (made["status"], made["currency"], made["total"], made["amount_due"]) == ("open", "usd", 4951, 4951)
    assert sorted(invoices.lines(made["id"])) == [("Part 1", 4950), ("Part 2", 1)]
    assert made["metadata"]["togai_invoice_id"] == invoice
    assert made["custom_fields"] == [{"name": "Invoice", "value": invoices.togai(invoice)["sequenceId"]}]
    assert len(invoices.mails()) == 1
    assert invoices.settings(invoice) == {
        "StripeInvoiceId": made["id"], "StripePaymentLink": made["hosted_invoice_url"],
    }  # fmt: skip
    assert invoices.last_run(invoice).state == "succeeded"


async def test_the_same_news_again_makes_nothing(invoices: Invoices, tandem: InProcess) -> None:
    """Neither a second invoice nor a second mail, also after the process died."""
    invoice = await invoices.generated("10")
    await tandem.restart()
    for event in ("invoice.generated", "invoice.updated"):
        await invoices.bring(invoice, event)

    assert (len(invoices.stripe()), len(invoices.mails())) == (1, 1)
    assert invoices.last_run(invoice).state == "in_sync"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("DRAFT", "draft"), ("MERGED", "merged"), ("PAID", "paid already"), ("VOID", "void"),
        ("UN_COLLECTIBLE", "uncollectible"),
    ],
)  # fmt: skip
async def test_what_is_not_due_is_not_collected(invoices: Invoices, status: str, why: str) -> None:
    """The run says why."""
    invoice = await invoices.generated("10", status=status)
    run = invoices.last_run(invoice)

    assert (run.state, invoices.stripe()) == ("skipped", [])
    assert why in run.reason


async def test_what_togai_is_finalizing_waits_for_it(invoices: Invoices) -> None:
    """Due already, and its lines may change still: the next event of it starts it again."""
    invoice = await invoices.generated("10", finalizing=True)
    run, before = invoices.last_run(invoice), invoices.stripe()
    invoices.change(invoice, status="DUE")
    await invoices.bring(invoice, "invoice.updated")

    assert (run.state, before, len(invoices.stripe())) == ("skipped", [], 1)
    assert "is finalizing it" in run.reason


async def test_a_draft_is_collected_as_soon_as_it_is_due(invoices: Invoices) -> None:
    """A skip is never final."""
    invoice = await invoices.generated("10", status="DRAFT")
    invoices.change(invoice, status="DUE")
    await invoices.bring(invoice, "invoice.updated")

    assert [made["total"] for made in invoices.stripe()] == [1000]


@pytest.mark.parametrize(("amounts", "more"), [(("0",), {}), (("10",), {"credits": "10"}), (("0.004",), {})])
async def test_nothing_to_collect_makes_nothing(
    invoices: Invoices, amounts: tuple[str, ...], more: dict[str, Any]
) -> None:
    """Zero, what credits cover, less than a cent."""
    invoice = await invoices.generated(*amounts, **more)

    assert (invoices.stripe(), invoices.last_run(invoice).state) == ([], "skipped")


async def test_what_was_paid_already_is_a_line_of_its_own(invoices: Invoices) -> None:
    """The amount to collect is what is left, and the invoice says why."""
    await invoices.generated("100", status="PARTIALLY_PAID", paid="30.10", discount="5")
    [made] = invoices.stripe()

    assert made["total"] == 6490
    assert sorted(invoices.lines(made["id"])) == [
        ("Discount", -500), ("Paid already, by wallet or earlier payments", -3010), ("Part 1", 10000),
    ]  # fmt: skip


async def test_what_is_no_plain_part_has_a_line_of_its_own(invoices: Invoices) -> None:
    """Credits with a minus; charges, advanced fees and what lacks to a minimum commitment; what the wallet paid."""
    kinds = {"Setup": "MISCELLANEOUS_CHARGE", "Next month": "ADVANCED_FIXED_FEE", "Minimum": "TRUE_UP_AMOUNT"}
    lines = [{"name": name, "amount": "10", "type": kind} for name, kind in kinds.items()]
    await invoices.generated(lines=lines, credits="4.50", paid="0.01", status="PARTIALLY_PAID")
    [made] = invoices.stripe()

    assert made["total"] == 2549
    assert sorted(invoices.lines(made["id"])) == [
        ("Credits", -450), ("Minimum", 1000), ("Next month", 1000),
        ("Paid already, by wallet or earlier payments", -1), ("Setup", 1000),
    ]  # fmt: skip


async def test_lines_are_of_the_time_that_is_billed(invoices: Invoices, tandem: InProcess) -> None:
    """Togai's period stands on each line that a part of its tree is behind."""
    invoice = await invoices.generated("10", "5", paid="3")
    found = invoices.togai(invoice)
    [made] = invoices.stripe()
    rows = tandem.call("stripe", "GET", f"/v1/invoices/{made['id']}/lines")["data"]
    wanted = [int(datetime.fromisoformat(found[name]).timestamp()) for name in ("startDate", "endDate")]
    shown = [[row["period"]["start"], row["period"]["end"]] for row in rows if row["amount"] > 0]

    assert shown == [wanted, wanted]


async def test_tax_is_shown_as_tax(invoices: Invoices) -> None:
    """Each line has its share, and together they are Togai's tax to the cent."""
    await invoices.generated("10.01", "5", "0.33", tax="1.27", discount="1")
    [made] = invoices.stripe()

    assert (made["total"], made["total_excluding_tax"]) == (1561, 1434)
    assert sum(tax["amount"] for tax in made["total_taxes"]) == 127
    assert len(invoices.lines(made["id"])) == 4


async def test_a_tree_that_does_not_add_up_is_not_collected(invoices: Invoices, tandem: InProcess) -> None:
    """The dead letter names both sums and the parts; no draft is left."""
    await invoices.generated("10", "5", total="14")
    [letter] = tandem.letters()

    assert invoices.stripe() == []
    assert "its total is 14" in str(letter)
    assert "Part 1 10; Part 2 5" in str(letter)


async def test_rounding_has_a_line_of_its_own(invoices: Invoices) -> None:
    """Three parts of a third of a cent each come to a cent that no line has."""
    await invoices.generated("0.333", "0.333", "0.334")
    [made] = invoices.stripe()

    assert made["total"] == 100
    assert sorted(invoices.lines(made["id"])) == [("Part 1", 33), ("Part 2", 33), ("Part 3", 33), ("Rounding", 1)]


async def test_nothing_of_the_customer_comes_in(invoices: Invoices, tandem: InProcess) -> None:
    """A pending item stays pending; what the customer is let off is for what Stripe itself bills."""
    [customer] = tandem.customers()
    account = tandem.accounts["stripe"]["id"]
    tandem.control.call("POST", f"/stripe/customers/{customer['id']}", {"account": account, "percent": 10})
    item = {"customer": customer["id"], "amount": "500", "currency": "usd"}
    tandem.call("stripe", "POST", "/v1/invoiceitems", data=item)
    await invoices.generated("10")

    assert [made["total"] for made in invoices.stripe()] == [1000]


@pytest.mark.parametrize(("currency", "amount", "total"), [("JPY", "1250", 1250), ("KWD", "18.6", 18600)])
async def test_currencies_with_other_decimals(invoices: Invoices, currency: str, amount: str, total: int) -> None:
    """As Stripe counts them."""
    await invoices.generated(amount, currency=currency)
    [made] = invoices.stripe()

    assert (made["currency"], made["total"]) == (currency.lower(), total)


async def test_what_stripe_cannot_hold_is_held_back(invoices: Invoices, tandem: InProcess) -> None:
    """Three decimals of KWD must end in 0: the letter says by how much it does not."""
    await invoices.generated("18.605", currency="KWD")

    assert invoices.stripe() == []
    assert "0.005" in str(tandem.letters()[0])


async def test_one_read_of_togai_is_enough(invoices: Invoices, tandem: InProcess) -> None:
    """What bills it otherwise is asked about by what was read: plan, account and time."""
    invoice = await invoices.generated("10")
    calls = tandem.control.call("GET", "/calls", account=invoices.organization)["calls"]

    assert [call["path"] for call in calls if "/invoices/" in call["path"]] == [f"/invoices/{invoice}"]


async def test_three_hundred_parts_fit(invoices: Invoices) -> None:
    """Parts of one name become one line where Stripe would take no more."""
    lines = [{"name": f"Meter {place % 5}", "amount": "0.10"} for place in range(300)]
    await invoices.generated(lines=lines)
    [made] = invoices.stripe()

    assert made["total"] == 3000
    assert sorted(invoices.lines(made["id"])) == [(f"Meter {place} (60 entries)", 600) for place in range(5)]


async def test_too_many_parts_leave_nothing(invoices: Invoices, tandem: InProcess) -> None:
    """A clear error, and no draft."""
    await invoices.generated(*["0.10"] * 300)

    assert invoices.stripe() == []
    assert "300 parts" in str(tandem.letters()[0])


async def test_a_customer_without_address_waits(invoices: Invoices, tandem: InProcess) -> None:
    """Togai has none either: the invoice is held, and goes out as soon as there is one."""
    [customer] = tandem.customers()
    without_address(tandem)
    invoice = await invoices.generated("10")
    waiting = invoices.last_run(invoice)
    tandem.change(customer["id"], email="acme@example.test")
    await tandem.recheck()

    assert (waiting.state, waiting.problem and waiting.problem.code) == ("parked", "no_email")
    assert (len(invoices.stripe()), len(invoices.mails())) == (1, 1)


def made_by_somebody(invoices: Invoices, tandem: InProcess) -> tuple[str, str]:
    """An invoice of Togai, over 10, whose Settings name one that stands at Stripe. Returns both ids."""
    [customer] = tandem.customers()
    own = {"customer": customer["id"], "collection_method": "send_invoice", "days_until_due": "30"}
    theirs = tandem.call("stripe", "POST", "/v1/invoices", data=own)["id"]
    line = {"lines[0][amount]": "1000", "lines[0][description]": "Whole"}
    tandem.call("stripe", "POST", f"/v1/invoices/{theirs}/add_lines", data=line)
    tandem.call("stripe", "POST", f"/v1/invoices/{theirs}/finalize")
    invoice = invoices.generate("10")
    setting = {
        "id": "StripeInvoiceId", "name": "StripeInvoiceId", "value": theirs, "entityType": "INVOICE",
        "entityId": invoice, "namespace": "USER", "dataType": "STRING",
    }  # fmt: skip
    tandem.call("togai", "POST", "/settings", json=setting)
    return invoice, theirs


async def test_what_somebody_made_already_is_adopted(invoices: Invoices, tandem: InProcess) -> None:
    """An invoice whose Settings name one at Stripe is not made again; its payment is counted all the same."""
    invoice, theirs = made_by_somebody(invoices, tandem)
    await invoices.bring(invoice)
    invoices.pay(theirs)
    await tandem.drain()

    assert [made["id"] for made in invoices.stripe()] == [theirs]
    assert invoices.togai(invoice)["status"] == "PAID"


async def test_what_somebody_made_is_lowered_by_nobody_else(invoices: Invoices, tandem: InProcess) -> None:
    """A part was paid elsewhere: whoever made the invoice gives the credit note, and then it is in step."""
    invoice, theirs = made_by_somebody(invoices, tandem)
    await invoices.bring(invoice)
    invoices.change(invoice, status="PARTIALLY_PAID", paid="4")
    await invoices.bring(invoice, "invoice.updated")
    run, [before] = invoices.last_run(invoice), invoices.stripe()
    tandem.call("stripe", "POST", "/v1/credit_notes", data={"invoice": theirs, "amount": "400"})
    await tandem.drain()

    assert (run.state, run.problem and run.problem.code) == ("parked", "paid_elsewhere")
    assert (before["amount_remaining"], invoices.stripe()[0]["amount_remaining"]) == (1000, 600)
    assert invoices.last_run(invoice).state == "in_sync"


async def test_an_account_without_customer_waits(control: Control) -> None:
    """The run says how to link one."""
    async with in_process(control, services=SERVICES, default_currency="USD") as tandem:
        await tandem.link("togai-account-to-stripe-customer", enabled=False)
        tandem.account("acme")
        await tandem.drain()
        invoices = Invoices(tandem)
        invoice = await invoices.generated("10")
        run = invoices.last_run(invoice)

        assert (run.state, run.problem and run.problem.code) == ("parked", "no_customer")
        assert invoices.stripe() == []


async def test_an_account_that_gets_its_customer_lets_its_invoices_go_on(control: Control) -> None:
    """The link itself opens what waited for it: no event of the invoice is needed."""
    async with in_process(control, services=SERVICES, default_currency="USD") as tandem:
        await tandem.link("togai-account-to-stripe-customer", enabled=False)
        tandem.account("acme")
        await tandem.drain()
        invoices = Invoices(tandem)
        waiting = invoices.last_run(await invoices.generated("10"))
        blocker = waiting.problem.blocker if waiting.problem else ""
        opened: list[str] = []
        before = tandem.registry.is_open(blocker)
        tandem.registry.on_open.append(opened.append)
        customer = tandem.customer(name="Acme", email="acme@x.test")
        tandem.by_hand("link", "acme", customer)
        await tandem.drain()

        assert (before, tandem.registry.is_open(blocker), blocker in opened) == (False, True, True)


@pytest.mark.parametrize(
    ("balance", "amount", "words"),
    [
        (0, "0.18", "0.18 USD are below Stripe's minimum charge"),
        (-300, "10", "3.00 USD of it are paid from the customer's balance"),
        (300, "10", "3.00 USD of the customer's balance at Stripe are asked for with it"),
    ],
)
async def test_what_the_customers_balance_did_is_said(
    invoices: Invoices, tandem: InProcess, balance: int, amount: str, words: str
) -> None:
    """A person sees why Stripe asks for another amount."""
    [customer] = tandem.customers()
    if balance:
        body = {"amount": balance, "currency": "usd"}
        tandem.call("stripe", "POST", f"/v1/customers/{customer['id']}/balance_transactions", data=body)
    run = invoices.last_run(await invoices.generated(amount))

    assert any(words in note for step in run.steps for note in step.notes)


async def test_a_second_currency_names_what_holds_the_first(invoices: Invoices, tandem: InProcess) -> None:
    """Nothing is converted, and no draft is left."""
    await invoices.generated("10")
    [first] = invoices.stripe()
    run = invoices.last_run(await invoices.generated("10", currency="EUR"))
    [letter] = tandem.letters()

    assert (run.state, [made["id"] for made in invoices.stripe()]) == ("dead", [first["id"]])
    assert "is in EUR" in letter.problem.reason
    assert f"is in USD, held by open invoice {first['id']}" in letter.problem.reason
