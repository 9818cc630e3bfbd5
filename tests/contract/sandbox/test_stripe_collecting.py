"""How Stripe collects: by the card on file, by bank transfer, under a number of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.sandbox.inside import Inside, inside
from tests.contract.sandbox.shop import Json, Shop


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests."""
    with inside(tmp_path_factory.mktemp("collecting")) as made:
        yield made


@pytest.fixture
def shop(app: Inside) -> Shop:
    """A fresh account."""
    return Shop(app)


def with_card(shop: Shop, card: str) -> str:
    """A customer with a card on file."""
    customer = shop.customer()
    method = shop.post(f"payment_methods/{card}/attach", customer=customer)["id"]
    shop.post(f"customers/{customer}", invoice_settings={"default_payment_method": method})
    return customer


def charged(shop: Shop, customer: str, **more: Any) -> Json:
    """An invoice that Stripe charges when it is finalized, as it is afterwards."""
    draft = shop.post("invoices", customer=customer, collection_method="charge_automatically", currency="usd")["id"]
    shop.post(f"invoices/{draft}/add_lines", lines=[{"amount": 1000, "description": "Fee"}])
    assert shop.post(f"invoices/{draft}/finalize", **({"auto_advance": True} | more))["status"] == "open"
    return shop.get(f"invoices/{draft}")


def test_the_card_on_file_pays(shop: Shop) -> None:
    """With the events of every payment."""
    found = charged(shop, with_card(shop, "pm_card_visa"))

    assert (found["status"], found["amount_paid"], found["attempt_count"]) == ("paid", 1000, 1)
    assert shop.types()[-2:] == ["invoice.paid", "invoice.payment_succeeded"]


@pytest.mark.parametrize("card", ["pm_card_chargeCustomerFail", ""])
def test_a_declined_card_and_none_leave_it_open(shop: Shop, card: str) -> None:
    """The attempt counts as failed."""
    found = charged(shop, with_card(shop, card) if card else shop.customer())

    assert (found["status"], found["amount_paid"], found["attempt_count"]) == ("open", 0, 1)
    assert shop.types()[-1] == "invoice.payment_failed"


def test_nothing_is_charged_that_does_not_advance(shop: Shop) -> None:
    """Finalized without it, a person collects."""
    found = charged(shop, with_card(shop, "pm_card_visa"), auto_advance=False)

    assert (found["status"], found["attempted"]) == ("open", False)


def test_a_card_of_somebody_else_is_refused(shop: Shop) -> None:
    """And one that is not there."""
    method = shop.post("payment_methods/pm_card_visa/attach", customer=shop.customer())["id"]
    customer = shop.customer()
    errors = [
        shop.error("POST", f"customers/{customer}", invoice_settings={"default_payment_method": name})
        for name in (method, "pm_nowhere")
    ]

    assert [error["code"] for error in errors] == ["resource_missing"] * 2


def transfer(**options: Any) -> Json:
    """Parameters of an invoice that a bank transfer may pay."""
    kinds = {"payment_method_types": ["card", "customer_balance"]}
    return {"payment_settings": kinds | ({"payment_method_options": {"customer_balance": options}} if options else {})}


def test_a_bank_transfer_is_shown(shop: Shop) -> None:
    """As it was asked for."""
    asked = {"type": "eu_bank_transfer", "eu_bank_transfer": {"country": "DE"}}
    draft = shop.draft(1000, currency="eur", **transfer(funding_type="bank_transfer", bank_transfer=asked))
    settings = draft["payment_settings"]

    assert settings["payment_method_types"] == ["card", "customer_balance"]
    assert settings["payment_method_options"]["customer_balance"]["bank_transfer"] == asked


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "[funding_type]"),
        ({"funding_type": "bank_transfer"}, "[type]"),
        ({"funding_type": "bank_transfer", "bank_transfer": {"type": "gb_bank_transfer"}}, "[type]"),
        ({"funding_type": "bank_transfer", "bank_transfer": {"type": "eu_bank_transfer"}}, "[country]"),
    ],
)
def test_what_lacks_of_a_bank_transfer_is_refused(shop: Shop, options: Json, named: str) -> None:
    """Each with the parameter that lacks, or does not go with the currency."""
    terms = {"customer": shop.customer(), "collection_method": "send_invoice", "days_until_due": 3, "currency": "eur"}
    error = shop.error("POST", "invoices", **terms, **transfer(**options))

    assert error["param"].endswith(named)


def test_a_number_is_taken_once(shop: Shop) -> None:
    """By another invoice it is refused, at the create and at an update; its own one may say it again."""
    first, other = shop.draft(1000, number="2026-11-AB"), shop.draft(1000)
    errors = [
        shop.error("POST", f"invoices/{other['id']}", number="2026-11-AB"),
        shop.error("POST", "invoices", customer=shop.customer(), number="2026-11-AB"),
    ]
    shop.post(f"invoices/{first['id']}", number="2026-11-AB")

    assert [error["param"] for error in errors] == ["number", "number"]
    assert shop.post(f"invoices/{first['id']}/finalize")["number"] == "2026-11-AB"
