"""Decimal amounts become Stripe's minor units exactly, or are refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.errors import Malformed
from shared.money import NotExpressible, decimal, exact, major, minor, rounded, step, unit_amount


@pytest.mark.parametrize(
    ("amount", "currency", "params"),
    [
        ("19.99", "USD", {"unit_amount": 1999}),
        ("0", "usd", {"unit_amount": 0}),
        ("3.005", "USD", {"unit_amount_decimal": "300.5"}),
        ("0.000001", "USD", {"unit_amount_decimal": "0.0001"}),
        ("1E+3", "USD", {"unit_amount": 100000}),
        ("500", "JPY", {"unit_amount": 500}),
        ("1500", "MGA", {"unit_amount": 1500}),
        ("18.600", "KWD", {"unit_amount": 18600}),
        ("5", "UGX", {"unit_amount": 500}),
        ("12", "ISK", {"unit_amount": 1200}),
        ("1.5", "HUF", {"unit_amount": 150}),
    ],
)
def test_an_amount_is_exact(amount: str, currency: str, params: dict[str, object]) -> None:
    """By Stripe's list of currencies, not by ISO's; no exponent, no float."""
    assert unit_amount(decimal(amount), currency) == params


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("1E-15", "USD"), ("5.5", "UGX"), ("12.01", "ISK"), ("18.605", "KWD"), ("-5", "USD"), ("5", "IRR")],
)
def test_what_stripe_cannot_hold_is_refused(amount: str, currency: str) -> None:
    """Never rounded without a word; nor what is negative, or in a currency that Stripe does not have."""
    with pytest.raises(NotExpressible):
        unit_amount(decimal(amount), currency)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "ten", None, "1,5"])
def test_what_is_no_number_is_no_amount(value: object) -> None:
    """Wherever it comes from."""
    with pytest.raises(Malformed):
        decimal(value)


@given(st.integers(-(10**15), 10**15), st.sampled_from(["USD", "JPY", "KWD", "MGA", "UGX"]))
def test_there_and_back(units: int, currency: str) -> None:
    """Minor units of Stripe lose nothing on the way to Togai and back."""
    assert minor(major(units, currency), currency) == Decimal(units)


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("881.94", "USD", 88194), ("-4.01", "EUR", -401), ("500", "JPY", 500), ("18.60", "KWD", 18600),
        ("5", "UGX", 500), ("12", "ISK", 1200), ("99.9", "HUF", 9990), ("7", "TWD", 700), ("1500", "MGA", 1500),
    ],
)  # fmt: skip
def test_a_total_is_exact(amount: str, currency: str, units: int) -> None:
    """In the units that Stripe counts."""
    assert exact(decimal(amount), currency) == units


@pytest.mark.parametrize(
    ("amount", "currency", "over"),
    [("10.005", "USD", "0.005"), ("18.605", "KWD", "0.005"), ("12.5", "ISK", "0.5"), ("0.5", "JPY", "0.5")],
)
def test_a_total_between_two_units_is_refused(amount: str, currency: str, over: str) -> None:
    """The error says by how much it is beyond the last one."""
    with pytest.raises(NotExpressible, match=f"is {over}[0]* beyond"):
        exact(decimal(amount), currency)


@given(st.decimals("-100000", "100000", places=6), st.sampled_from(["USD", "JPY", "KWD", "ISK", "MGA", "HUF"]))
def test_a_line_is_rounded_to_the_nearest_unit(amount: Decimal, currency: str) -> None:
    """Half away from zero, and as far from the amount as half a unit at most."""
    found = rounded(amount, currency)

    assert found % step(currency) == 0
    assert abs(found - minor(amount, currency)) * 2 <= step(currency)
    assert rounded(-amount, currency) == -found
