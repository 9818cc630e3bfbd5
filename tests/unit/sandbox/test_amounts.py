"""What prices cost, how amounts are written, and when a period ends."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox.store import dump, load
from sandbox.stripe_api import amounts, currencies
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.subscriptions import later
from sandbox.togai_api.invoice_tree import Line, Parts

FLAT: dict[str, Any] = {"transform_quantity": None, "tiers_mode": None}
TIERS = [
    {"up_to": 10, "unit_amount_decimal": "0", "flat_amount_decimal": "100"},
    {"up_to": 20, "unit_amount_decimal": "5", "flat_amount_decimal": "30"},
    {"up_to": None, "unit_amount_decimal": "2.5", "flat_amount_decimal": None},
]


@pytest.mark.parametrize(
    ("unit", "quantity", "total"), [("816.5", 2, 1633), ("0.5", 1, 1), ("0.4", 1, 0), ("1000", 3, 3000)]
)
def test_units(unit: str, quantity: int, total: int) -> None:
    """Rounded once, after the multiplication, halves away from zero."""
    assert amounts.line_total(FLAT, {"unit_amount_decimal": unit}, quantity) == total


@pytest.mark.parametrize(
    ("mode", "quantity", "total"),
    [("graduated", 1, 100), ("graduated", 10, 100), ("graduated", 11, 135), ("graduated", 22, 185), ("volume", 10, 100),
     ("volume", 11, 85), ("volume", 21, 53)],
)  # fmt: skip
def test_tiers(mode: str, quantity: int, total: int) -> None:
    """Graduated: each unit at its own tier, and each tier's flat amount once it is reached; volume: all at the last."""
    assert amounts.line_total({**FLAT, "tiers_mode": mode}, {"tiers": TIERS}, quantity) == total


@pytest.mark.parametrize(("way", "quantity", "total"), [("up", 11, 200), ("down", 11, 100), ("up", 10, 100)])
def test_packages(way: str, quantity: int, total: int) -> None:
    """A quantity is divided first, up or down."""
    price = {**FLAT, "transform_quantity": {"divide_by": 10, "round": way}}
    assert amounts.line_total(price, {"unit_amount_decimal": "100"}, quantity) == total


@pytest.mark.parametrize(
    ("amount", "code"), [(49, "usd"), (29, "gbp"), (49, "jpy"), (100_000_000, "usd"), (18605, "kwd"), (150, "isk")]
)
def test_amounts_that_cannot_be_charged(amount: int, code: str) -> None:
    """Below the minimum, above eight digits, between two steps; nothing at all is no charge."""
    with pytest.raises(StripeError):
        currencies.check_charge(amount, code, "It", "amount")
    currencies.check_charge(0, code, "It", "amount")


@pytest.mark.parametrize(
    ("amount", "code", "text"), [(1000, "usd", "10.00 usd"), (500, "jpy", "500 jpy"), (18600, "kwd", "18.600 kwd")]
)
def test_amounts_for_people(amount: int, code: str, text: str) -> None:
    """With the decimals of their currency."""
    assert currencies.shown(amount, code) == text


@given(value=st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_numbers_stay_exact(value: Decimal) -> None:
    """What is stored and sent is the number itself, digit by digit, never a float's idea of it."""
    text = dump({"a": [value], "b": f'"{value}"'})
    assert f'"a":[{value:f}]' in text
    assert Decimal(load(text)["a"][0]) == value
    assert load(text)["b"] == f'"{value}"'


@given(lines=st.lists(st.decimals(-1000, 1000, places=4), min_size=1, max_size=5), tax=st.decimals(0, 100, places=2))
def test_trees_add_up(lines: list[Decimal], tax: Decimal) -> None:
    """The grand total is the sum of the parts, whatever they are."""
    parts = Parts("USD", [Line("x", amount) for amount in lines], tax, Decimal(5), Decimal(7))
    assert parts.tree()["value"] == parts.total == sum(lines) + tax - 12


@pytest.mark.parametrize(
    ("start", "interval", "count", "end"),
    [
        ("2026-01-31", "month", 1, "2026-02-28"),
        ("2026-11-30", "month", 3, "2027-02-28"),
        ("2028-02-29", "year", 1, "2029-02-28"),
        ("2026-01-31", "week", 2, "2026-02-14"),
        ("2026-12-31", "day", 1, "2027-01-01"),
    ],
)
def test_periods(start: str, interval: str, count: int, end: str) -> None:
    """The last days of a month stay within the month in which the period ends."""
    moments = [int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) for text in (start, end)]
    assert later(moments[0], interval, count) == moments[1]
