"""Stripe's tax API: calculated by the customer's country, recorded once, reversed as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.sandbox.inside import Inside, inside
from tests.contract.sandbox.shop import Json, Shop


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests."""
    with inside(tmp_path_factory.mktemp("tax")) as made:
        yield made


@pytest.fixture
def shop(app: Inside) -> Shop:
    """A fresh account."""
    return Shop(app)


def customer(shop: Shop, country: str) -> str:
    address = {"country": country, "postal_code": "10115"}
    return str(shop.post("customers", name="ACME", email="a@example.com", address=address)["id"])


def calculated(shop: Shop, country: str = "DE", **line: Any) -> Json:
    lines = [{"amount": 1000, "reference": "a"} | line, {"amount": 333, "reference": "b"} | line]
    return shop.post("tax/calculations", currency="eur", customer=customer(shop, country), line_items=lines)


def test_a_country_has_its_rate(shop: Shop) -> None:
    """Each line is rounded; where no tax is asked for it is nothing."""
    found = calculated(shop)

    assert (found["tax_amount_exclusive"], found["amount_total"]) == (253, 1586)
    assert [line["amount_tax"] for line in found["line_items"]["data"]] == [190, 63]
    assert shop.get(f"tax/calculations/{found['id']}") == found
    assert calculated(shop, "US")["tax_amount_exclusive"] == 0
    assert calculated(shop, "GB", tax_behavior="inclusive")["tax_amount_inclusive"] == 223


def test_recorded_once_and_reversed_once(shop: Shop) -> None:
    """A reference is of one transaction alone."""
    calculation = calculated(shop)["id"]
    record = {"calculation": calculation, "reference": "inv.1"}
    made = shop.post("tax/transactions/create_from_calculation", **record)
    again = shop.error("POST", "tax/transactions/create_from_calculation", **record)
    undo = {"mode": "full", "original_transaction": made["id"], "reference": "inv.1/reversed"}
    back = shop.post("tax/transactions/create_reversal", **undo)
    twice = shop.error("POST", "tax/transactions/create_reversal", **undo | {"reference": "other"})

    assert (made["type"], again["code"], back["type"], back["reversal"]["original_transaction"]) == (
        "transaction", "resource_already_exists", "reversal", made["id"],
    )  # fmt: skip
    assert [line["amount_tax"] for line in back["line_items"]["data"]] == [-190, -63]
    assert twice["code"] == "tax_transaction_already_reversed"
    assert shop.get(f"tax/transactions/{made['id']}") == made


def test_what_cannot_be_calculated(shop: Shop) -> None:
    """Nobody knows where the customer is; an amount below zero."""
    lines = [{"amount": 1000, "reference": "a"}]
    nowhere = shop.error("POST", "tax/calculations", currency="eur", customer=shop.customer(), line_items=lines)
    known = customer(shop, "DE")
    below = shop.error("POST", "tax/calculations", currency="eur", customer=known, line_items=[{"amount": -1}])

    assert (nowhere["code"], below["param"]) == ("customer_tax_location_invalid", "line_items[0][amount]")


@pytest.mark.parametrize(("right", "status"), [("read", 403), ("write", 200)])
def test_a_restricted_key_needs_the_right(shop: Shop, right: str, status: int) -> None:
    """Tax: write."""
    key = shop.control("POST", "/keys", rights={"tax": right})["key"]
    body = {"currency": "eur", "customer": customer(shop, "DE"), "line_items": [{"amount": 5, "reference": "a"}]}

    assert shop.call("POST", "tax/calculations", body, key).status_code == status
