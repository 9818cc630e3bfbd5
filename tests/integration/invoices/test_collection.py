"""How an invoice is collected is its flow link's choice: sent or charged, under which number, by bank transfer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from shared.domains.invoices import INVOICE
from shared.identity import Ref, link_id
from shared.linking import mappings
from shared.linking.mappings import Mapping

from tests.integration.invoices.conftest import ACCOUNT, OUT, Invoices, without_address
from tests.stack.in_process import InProcess


def put_card(tandem: InProcess, card: str = "pm_card_visa") -> None:
    """The account's customer has a card on file."""
    [customer] = tandem.customers()
    attached = tandem.call("stripe", "POST", f"/v1/payment_methods/{card}/attach", data={"customer": customer["id"]})
    tandem.change(customer["id"], **{"invoice_settings[default_payment_method]": attached["id"]})


def notes(invoices: Invoices, invoice: str) -> list[str]:
    """What the run says."""
    return [note for step in invoices.last_run(invoice).steps for note in step.notes]


async def test_the_card_on_file_is_charged(invoices: Invoices, tandem: InProcess) -> None:
    """No due date and no mail; what was paid is counted in Togai, once."""
    put_card(tandem)
    await tandem.link(OUT, collection="charge_automatically")
    invoice = await invoices.generated("49.50")
    [made] = invoices.stripe()

    assert (made["status"], made["collection_method"], made["due_date"]) == ("paid", "charge_automatically", None)
    assert invoices.mails() == []
    assert (invoices.togai(invoice)["status"], len(invoices.payments())) == ("PAID", 1)
    assert invoices.settings(invoice)["StripeInvoiceId"] == made["id"]


async def test_a_declined_card_is_shown(invoices: Invoices, tandem: InProcess) -> None:
    """The invoice stays due, and its Settings say why."""
    put_card(tandem, "pm_card_chargeCustomerFail")
    await tandem.link(OUT, collection="charge_automatically")
    invoice = await invoices.generated("49.50")

    assert [made["status"] for made in invoices.stripe()] == ["open"]
    assert (invoices.togai(invoice)["status"], invoices.payments()) == ("DUE", [])
    assert "payment failed" in invoices.settings(invoice)["StripeInvoiceState"]


async def test_without_a_card_it_is_sent(invoices: Invoices, tandem: InProcess) -> None:
    """The run says so."""
    await tandem.link(OUT, collection="charge_automatically")
    invoice = await invoices.generated("10")
    [made] = invoices.stripe()

    assert (made["collection_method"], made["status"], len(invoices.mails())) == ("send_invoice", "open", 1)
    assert any("no payment method on file" in note for note in notes(invoices, invoice))


async def test_an_address_of_togai_is_written_to_stripe_first(invoices: Invoices, tandem: InProcess) -> None:
    """Then the invoice goes there; in one run, and once."""
    [customer] = tandem.customers()
    await tandem.link("stripe-customer-changes", enabled=False)
    await tandem.link("togai-account-changes", enabled=False)
    tandem.change(customer["id"], email="")
    await tandem.drain()
    invoice = await invoices.generated("10")
    [mail], [customer] = invoices.mails(), tandem.customers()

    assert customer["email"]
    assert mail["to"] == customer["email"]
    assert (len(invoices.stripe()), invoices.last_run(invoice).state) == (1, "succeeded")
    assert any("which had no e-mail address" in note for note in notes(invoices, invoice))


async def test_without_any_address_it_is_charged_if_the_link_says_so(invoices: Invoices, tandem: InProcess) -> None:
    """By the card on file; without one too it stays open at its page, and the run says that nobody was written to."""
    without_address(tandem)
    await tandem.link(OUT, email_missing="charge_automatically")
    first = await invoices.generated("10")
    put_card(tandem)
    second = await invoices.generated("20")
    shown = {made["total"]: (made["status"], made["collection_method"]) for made in invoices.stripe()}

    assert shown == {1000: ("open", "charge_automatically"), 2000: ("paid", "charge_automatically")}
    assert invoices.mails() == []
    assert any("neither Stripe nor Togai has an e-mail address" in note for note in notes(invoices, first))
    assert invoices.togai(second)["status"] == "PAID"


@pytest.mark.parametrize(("days", "is_moved"), [(-3, True), (10, False)])
async def test_a_due_date_that_has_passed_is_moved_and_said(
    invoices: Invoices, tandem: InProcess, days: int, is_moved: bool
) -> None:
    """Stripe takes none in the past; Togai's own stays as it is."""
    due = datetime.now(UTC) + timedelta(days=days)
    invoice = await invoices.generated("10", due_date=due.isoformat())
    [made] = invoices.stripe()

    assert made["due_date"] > datetime.now(UTC).timestamp()
    assert (abs(made["due_date"] - due.timestamp()) < 60) == (not is_moved)
    assert any(f"due date {due.date()} has passed" in note for note in notes(invoices, invoice)) == is_moved
    assert invoices.togai(invoice)["dueDate"][:10] == str(due.date())


@pytest.mark.parametrize(
    ("number", "asked", "shown"),
    [("2026-11-A1", "on", "2026-11-A1"), ("2026-11-A1", "off", None), ("N" * 27, "on", None)],
)
async def test_togais_number(invoices: Invoices, tandem: InProcess, number: str, asked: str, shown: str | None) -> None:
    """Stripe's own where it is asked for and fits, else a custom field."""
    await tandem.link(OUT, number=asked)
    invoice = await invoices.generated("10", number=number)
    [made] = invoices.stripe()

    assert (made["number"] == number) == (shown is not None)
    assert (made["custom_fields"] is None) == (shown is not None)
    assert any("custom field" in note for note in notes(invoices, invoice)) == (asked == "on" and shown is None)


async def test_a_number_that_is_taken_goes_to_a_field(invoices: Invoices, tandem: InProcess) -> None:
    """The invoice is made all the same, once, and the run says so."""
    await tandem.link(OUT, number="on")
    await invoices.generated("10", number="2026-11-A1")
    invoice = await invoices.generated("20", number="2026-11-A1")
    made = invoices.stripe()[0]

    assert len(invoices.stripe()) == 2
    assert (made["total"], made["status"]) == (2000, "open")
    assert made["custom_fields"] == [{"name": "Invoice", "value": "2026-11-A1"}]
    assert any("another invoice at Stripe has it" in note for note in notes(invoices, invoice))


@pytest.mark.parametrize(("refused", "is_kept"), [("customer_phone_number", True), ("number", False)])
async def test_only_a_refused_number_is_left_out(
    invoices: Invoices, tandem: InProcess, refused: str, is_kept: bool
) -> None:
    """By the parameter that Stripe names: its words may speak of another number."""
    await tandem.link(OUT, number="on")
    invoice = invoices.generate("10", number="2026-11-A1")
    accounts = {app: tandem.registry.connections[app].app_account for app in ("stripe", "togai")}
    source = str(Ref(accounts["togai"], "invoice", invoice))
    earlier = Mapping(
        id=link_id(source, INVOICE.name, accounts["stripe"]), relation=INVOICE.name, state="withdrawn", source=source,
        at="2026-11-01T00:00:00Z", run="run_1", reason="The number cannot be used", refused=refused,
    )  # fmt: skip
    await tandem.log.append(tandem.topics.mappings, earlier.id, mappings.encode(earlier))
    await invoices.bring(invoice)
    [made] = invoices.stripe()

    assert (made["number"] == "2026-11-A1") == is_kept


@pytest.mark.parametrize(
    ("country", "currency", "kind"),
    [
        ("US", "USD", "us_bank_transfer"), ("GB", "GBP", "gb_bank_transfer"), ("AT", "EUR", "eu_bank_transfer"),
        ("DE", "USD", ""), ("BR", "USD", ""),
    ],
)  # fmt: skip
async def test_a_bank_transfer_by_country(
    invoices: Invoices, tandem: InProcess, country: str, currency: str, kind: str
) -> None:
    """Offered beside cards where Stripe has one for customer and currency; else the run says why not."""
    [customer] = tandem.customers()
    tandem.change(customer["id"], **{"address[country]": country})
    await tandem.link(OUT, bank_transfer="on")
    invoice = await invoices.generated("10", currency=currency)
    [made] = invoices.stripe()
    options = made["payment_settings"]["payment_method_options"] or {"customer_balance": {"bank_transfer": {}}}

    assert options["customer_balance"]["bank_transfer"].get("type", "") == kind
    assert any("no bank transfer" in note for note in notes(invoices, invoice)) == (not kind)
    assert made["status"] == "open"


async def test_by_default_nothing_of_this_is_asked_for(invoices: Invoices, tandem: InProcess) -> None:
    """And the customer is not read for it."""
    calls: list[str] = []

    async def read() -> None:
        calls.append(ACCOUNT)

    tandem.before_write("customers.retrieve", read)
    await invoices.generated("10")
    [made] = invoices.stripe()

    assert (made["payment_settings"]["payment_method_types"], calls) == (None, [])
