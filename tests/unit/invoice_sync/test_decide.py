"""What is read off a Stripe invoice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from invoice_sync.decide import amounts_of, due_params, is_right, overdue_since, tax_of, why_not
from invoice_sync.states import gathered, outcome_of
from invoice_sync.terms import transfer_params

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


@pytest.mark.parametrize(
    ("due", "net_terms", "params"),
    [
        (1_000_000, 14, {"due_date": 1_000_000}),
        (1_000, 14, {"days_until_due": 14}),
        (None, 0, {"days_until_due": 0}),
        (None, None, {"days_until_due": 30}),
    ],
)
def test_when_an_invoice_is_due(due: int | None, net_terms: int | None, params: dict[str, int]) -> None:
    """At Togai's own time, else after its net terms, which may be none at all, else after the days of the setting."""
    assert due_params(due, net_terms, 30, now=500_000) == params


@pytest.mark.parametrize(
    ("kind", "why"), [("INVOICE", ""), ("ORDER", ""), ("BILLABLE", "it is a billable, and no invoice")]
)
def test_which_classes_are_collected(kind: str, why: str) -> None:
    """What is billable is on no invoice yet."""
    invoice = {"status": "DUE", "invoiceClass": kind, "totalAmount": 10, "revenueInfo": {"units": "USD"}}

    assert why_not(invoice, amounts_of(invoice)) == why


def test_a_draft_says_why_stripe_could_not_finalize_it() -> None:
    """By `invoice.finalization_failed`; once it is open that is history."""
    said = [
        outcome_of(
            gathered([{"object": "invoice", "id": "in_1", "status": status}]), "USD", finalization_error="No address"
        ).recorded
        for status in ("draft", "open")
    ]

    assert said == ["not finalized: No address", ""]


@pytest.mark.parametrize(
    ("draft", "passes"),
    [
        ({"currency": "usd", "total": 1000}, True),
        ({"currency": "usd", "total": 999}, False),
        ({"currency": "eur", "total": 1000}, False),
        ({"currency": "usd"}, False),
    ],
)
def test_the_gate_lets_through_what_is_right_to_the_cent(draft: dict[str, Any], passes: bool) -> None:
    """The same number in another currency is another amount."""
    assert is_right(draft, "USD", 1000) == passes


@pytest.mark.parametrize(("status", "disputed"), [("needs_response", 0), ("won", 0), ("lost", 700)])
def test_a_dispute_costs_its_amount_when_it_is_lost(status: str, disputed: int) -> None:
    """The invoice stays paid whatever comes of it."""
    shown = [
        {"object": "invoice", "id": "in_1", "status": "paid", "total": 1000},
        {"object": "invoice_payment", "id": "inpay_1", "status": "paid", "amount_paid": 1000},
        {"object": "dispute", "id": "dp_1", "status": status, "amount": 700},
    ]
    found = outcome_of(gathered(shown), "USD")

    assert (found.state, found.status, found.disputed) == ("paid", "", disputed)


@pytest.mark.parametrize(("country", "account"), [("DE", "DE"), ("AT", "IE"), ("SK", "IE")])
def test_where_an_account_for_euros_is_opened(country: str, account: str) -> None:
    """Stripe has none in every euro country: the customers of the others pay to Ireland."""
    params, why = transfer_params(country, "EUR")
    transfer = params["payment_settings"]["payment_method_options"]["customer_balance"]["bank_transfer"]

    assert (transfer["eu_bank_transfer"], why) == ({"country": account}, "")
