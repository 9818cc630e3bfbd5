"""What a plan becomes in Stripe: prices that say the same, and what is not sold, in words."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from plan_sync.decide import covers, expressible, fees_of, not_sold, present_version, price_params
from shared.domains.plans.togai import Fee, offer_id, sides_of
from shared.errors import Malformed


def version(number: int, start: str, end: str = "9999-01-01T00:00:00Z") -> dict[str, Any]:
    return {"version": number, "startDate": start, "endDate": end}


def test_the_version_of_today_is_sold() -> None:
    """Not one that is yet to come, nor one that has ended."""
    plan = {
        "id": "pp.1",
        "pricingSchedule": [
            version(1, "2020-01-01T00:00:00Z", "2026-11-01T00:00:00Z"),
            version(2, "2026-11-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            version(3, "2027-01-01T00:00:00Z"),
        ],
    }

    assert present_version(plan, date(2026, 11, 28))["version"] == 2
    assert present_version(plan, date(2027, 1, 1))["version"] == 3


def test_a_plan_without_a_version_is_no_plan() -> None:
    """It says which."""
    with pytest.raises(Malformed, match="has no version"):
        present_version({"id": "pp.1"}, date(2026, 11, 28))


def test_fees_keep_their_rates_as_they_are_written() -> None:
    """Of every currency."""
    card = {
        "id": "addon.1",
        "displayName": "Seat",
        "type": "ONE_TIME",
        "invoiceTiming": "IN_ADVANCE",
        "rateValues": [{"currency": "USD", "rate": "3.005"}, {"currency": "eur", "rate": 9}],
    }
    [fee] = fees_of({"fixedFeeRateCards": [card]})

    assert fee == Fee(card="addon.1", name="Seat", one_time=True, in_advance=True, rates={"USD": "3.005", "EUR": "9"})


def test_what_the_link_does_not_ask_for_is_said() -> None:
    """One sentence each: Togai bills it."""
    late = Fee(card="c", name="Base", one_time=False, in_advance=False, rates={"USD": "1"})
    card = {"id": "addon.1", "invoiceTiming": "IN_ADVANCE", "recurrenceConfig": {"interval": "1", "offset": "2"}}
    [after] = fees_of({"fixedFeeRateCards": [card]})

    assert not_sold({"usageRateCards": [{}], "licenseRateCards": []}, [late, after]) == [
        "Togai bills usage: the payment link does not ask for it",
        "Togai bills Base in arrears: the payment link does not ask for it",
        "Togai bills addon.1 after 2 pricing cycles: the payment link does not ask for it",
    ]


def test_a_rate_that_stripe_cannot_hold_is_left_out_alone() -> None:
    """The others are sold; the sentence says what and why."""
    rates = {"USD": "10", "KWD": "18.605", "IRR": "5"}
    fee = Fee(card="c", name="Base", one_time=False, in_advance=True, rates=rates)
    [kept], left = expressible([fee])

    assert kept.rates == {"USD": "10"}
    assert left == [
        "Base: not sold in KWD: 18.605 KWD: Stripe takes two decimals of KWD only",
        "Base: not sold in IRR: Stripe does not take IRR",
    ]


@pytest.mark.parametrize("account", ["acme", "acme~1", "a%7Eb", "~", "%"])
def test_an_offer_is_that_of_one_account(account: str) -> None:
    """Whatever its id is, and whatever more the offer's names: a link of acme is no offer to acme~1."""
    assert sides_of(offer_id("pp.1", account)) == ("pp.1", account)
    assert sides_of(offer_id("pp.1", account, "2", "cs_1")) == ("pp.1", account)


def test_a_price_asks_in_every_currency_of_the_plan() -> None:
    """Exactly, and under a key of its own."""
    fee = Fee(card="c", name="Base", one_time=False, in_advance=True, rates={"USD": "10", "JPY": "1500", "EUR": "9.5"})

    assert price_params(fee, "pp.1", "togai:pp.1:1:c", {"a": "b"}) == {
        "product": "pp.1",
        "currency": "eur",
        "unit_amount": 950,
        "currency_options": {"jpy": {"unit_amount": 1500}, "usd": {"unit_amount": 1000}},
        "nickname": "Base",
        "lookup_key": "togai:pp.1:1:c",
        "metadata": {"a": "b"},
    }


@pytest.mark.parametrize(
    ("day", "held"), [("2026-11-27", False), ("2026-11-28", True), ("2026-12-31", True), ("2027-01-01", False)]
)
def test_a_schedule_holds_from_its_first_day_to_before_its_last(day: str, held: bool) -> None:
    """The last day is the next one's first."""
    assert covers({"startDate": "2026-11-28T00:00:00Z", "endDate": "2027-01-01T00:00:00Z"}, day) is held
