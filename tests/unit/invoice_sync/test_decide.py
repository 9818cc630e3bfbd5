"""What is read off a Stripe invoice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from invoice_sync.decide import amounts_of, overdue_since, tax_of

INCLUSIVE = {"amount": 2000, "tax_behavior": "inclusive"}


@pytest.mark.parametrize(
    ("invoice", "tax"),
    [
        ({"total": 12_000, "total_taxes": [INCLUSIVE]}, 2000),
        ({"total": 12_000, "total_taxes": [{"amount": 1500}, {"amount": 500}]}, 2000),
        ({"total": 12_000, "total_tax_amounts": [{"amount": 2000, "inclusive": True}], "tax": 2000}, 2000),
        ({"total": 12_000, "tax": 2000}, 2000),
        ({"total": 12_000, "total_taxes": [], "tax": None}, 0),
    ],
)
def test_tax_is_a_part_of_the_total(invoice: dict[str, Any], tax: int) -> None:
    """In the shapes before and after the version that took the field `tax` away."""
    assert tax_of(invoice) == tax


@pytest.mark.parametrize(
    ("invoice", "since"),
    [
        ({"status": "open", "due_date": 1_700_000_000}, "2023-11-14"),
        ({"status": "open", "due_date": 1_900_000_000}, ""),
        ({"status": "open", "due_date": None}, ""),
        ({"status": "paid", "due_date": 1_700_000_000}, ""),
    ],
)
def test_only_what_is_asked_for_is_overdue(invoice: dict[str, Any], since: str) -> None:
    """One that is charged by itself has no due date."""
    assert overdue_since(invoice, 1_800_000_000) == since


@pytest.mark.parametrize(
    ("total", "paid", "rest"),
    [
        ("10.000000000000002", "3.3000000000000003", "6.7"),
        ("10.005", "0", "10.005"),
        ("999999999999.99", "0.01", "999999999999.98"),
        ("100000000000000000", "0", "100000000000000000"),
    ],
)
def test_what_doubles_add_is_no_amount(total: str, paid: str, rest: str) -> None:
    """Togai's amounts are JSON numbers: what it added up as doubles comes to a cent; half a cent stays."""
    invoice = {"totalAmount": Decimal(total), "paidAmount": Decimal(paid), "revenueInfo": {"units": "USD"}}

    assert f"{amounts_of(invoice).rest}" == rest
