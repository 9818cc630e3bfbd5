"""What a customer on one side means on the other."""

from __future__ import annotations

from typing import Any

import pytest
from customer_sync.decide import (
    Currencies,
    account_facts,
    invoice_currency,
    stripe_customer,
    togai_customer,
    togai_ids,
    unpadded,
)
from hypothesis import given
from hypothesis import strategies as st
from shared.apps.stripe.models import StripeAddress, StripeCustomer
from shared.apps.togai.models import TogaiAccount, TogaiAddress, TogaiCustomer
from shared.domains.customers.stripe import NewStripeCustomer
from shared.errors import Waiting

CURRENCIES = Currencies({"DE": "EUR", "GB": "GBP"}, "USD")
SETTING = "StripeCustomerId"


def customer(**fields: Any) -> StripeCustomer:
    return StripeCustomer.model_validate({"id": "cus_1", "name": "Acme", "email": "a@acme.test"} | fields)


def test_a_stripe_customer_becomes_customer_account_and_setting_in_one_body() -> None:
    """So that the create is one call, and the account's id is ours."""
    body, notes = togai_customer(customer(phone="+1", address={"line1": "1 St", "country": "US"}), CURRENCIES, SETTING)

    address = {"phoneNumber": "+1", "line1": "1 St", "country": "US"}
    setting = {"id": SETTING, "value": "cus_1", "namespace": "USER", "name": SETTING, "dataType": "STRING"}
    assert body.body() == {
        "id": "cus_1",
        "name": "Acme",
        "primaryEmail": "a@acme.test",
        "address": address,
        "account": {
            "id": "acc_cus_1",
            "name": "Acme",
            "invoiceCurrency": "USD",
            "primaryEmail": "a@acme.test",
            "address": address,
            "settings": [setting],
        },
    }
    assert notes == ("invoice currency USD: the default currency",)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "Acme"}, "Acme"),
        ({"name": "  Acme  "}, "Acme"),
        ({"name": None, "business_name": "Biz", "individual_name": "Ann"}, "Biz"),
        ({"name": "", "business_name": None, "individual_name": "Ann"}, "Ann"),
        ({"name": None}, "a@acme.test"),
        ({"name": "  "}, "a@acme.test"),
        ({"name": "3M"}, "3M (cus_1)"),
        ({"name": "x" * 255}, "x" * 255),
        ({"name": "x" * 256}, "x" * 254 + "…"),
    ],
)
def test_names_to_togai(fields: dict[str, Any], expected: str) -> None:
    """The first that there is; padded if short, cut if long."""
    body, _ = togai_customer(customer(**fields), CURRENCIES, SETTING)

    assert body.name == body.account.name == expected


def test_a_cut_and_a_padded_name_are_said() -> None:
    """Nobody wonders where the rest went."""
    assert "name of 300 characters was cut to 255" in togai_customer(customer(name="x" * 300), CURRENCIES, SETTING)[1]
    assert any("'3M'" in note for note in togai_customer(customer(name="3M"), CURRENCIES, SETTING)[1])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("3M (cus_1)", "3M"),
        ("A (cus_Nff)", "A"),
        ("Acme (cus_1)", "Acme (cus_1)"),
        ("3M", "3M"),
        ("3M (customer)", "3M (customer)"),
        ("", ""),
    ],
)
def test_the_padding_never_travels_back(name: str, expected: str) -> None:
    """Only what we padded is taken off."""
    assert unpadded(name) == expected


@given(st.text(max_size=2).filter(lambda s: s.strip() == s and s))
def test_whatever_was_padded_comes_back(name: str) -> None:
    """For every short name there is."""
    body, _ = togai_customer(customer(name=name), CURRENCIES, SETTING)

    assert unpadded(body.name) == name


@pytest.mark.parametrize(
    ("fields", "currency", "rule"),
    [
        ({"currency": "jpy"}, "JPY", "Stripe's currency of the customer"),
        ({"currency": "jpy", "address": {"country": "DE"}}, "JPY", "Stripe's currency of the customer"),
        ({"address": {"country": "DE"}}, "EUR", "setting currency_by_country for DE"),
        ({"address": {"country": "gb"}}, "GBP", "setting currency_by_country for GB"),
        ({"address": {"country": "FR"}}, "USD", "the default currency"),
        ({}, "USD", "the default currency"),
    ],
)
def test_the_currency_and_the_rule_that_chose_it(fields: dict[str, Any], currency: str, rule: str) -> None:
    """Togai never lets it change, so the run says why."""
    assert invoice_currency(customer(**fields), CURRENCIES) == (currency, rule)


@pytest.mark.parametrize("written", ["XXX", "euro", "EUX"])
def test_a_chosen_currency_that_is_none_is_waited_for(written: str) -> None:
    """Togai never lets it change: nothing else is taken in its place, and the run names what there is."""
    with pytest.raises(Waiting, match="is no currency that Stripe takes: write one of AED, .*EUR") as caught:
        invoice_currency(customer(metadata={"togai_invoice_currency": written}), CURRENCIES)

    assert caught.value.code == "no_currency"


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"email": None}, "no_email"), ({"email": ""}, "no_email"), ({"email": "a" * 310 + "@acme.test.x"}, "too_long")],
)
def test_without_a_usable_address_the_run_waits(fields: dict[str, Any], code: str) -> None:
    """None is ever invented or cut."""
    with pytest.raises(Waiting) as caught:
        togai_customer(customer(**fields), CURRENCIES, SETTING)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("written", "code"),
    [("Germany", "DE"), ("UK", "GB"), ("U.S.A.", "US"), ("us", "US"), (" de ", "DE"), ("Narnia", None), ("ZZ", None)],
)
def test_a_country_becomes_its_code_or_is_left_out_and_said(written: str, code: str | None) -> None:
    """Togai takes two letters only; Stripe takes any text."""
    body, notes = togai_customer(customer(address={"country": written, "city": "Bonn"}), CURRENCIES, SETTING)

    assert body.body()["address"] == {"city": "Bonn"} | ({"country": code} if code else {})
    assert any("no country that Togai takes" in note for note in notes) is (code is None)


@pytest.mark.parametrize("length", [1, 14, 40, 46, 47, 50, 51, 200, 255])
def test_derived_ids_fit_and_differ(length: int) -> None:
    """50 characters at most, also for ids that are longer."""
    one, two = "cus_" + "x" * length, "cus_" + "x" * (length - 1) + "y"
    ids = [*togai_ids(one), *togai_ids(two)]

    assert all(len(entity) <= 50 for entity in ids)
    assert len(set(ids)) == 4
    assert togai_ids(one) == togai_ids(one)


def account(**fields: Any) -> TogaiAccount:
    return TogaiAccount.model_validate({"id": "a1", "customerId": "c1", "name": "Main"} | fields)


TOGAI_CUSTOMER = TogaiCustomer(
    id="c1", name="Acme Inc", primary_email="c@acme.test", address=TogaiAddress(phone_number="+1", city="Rome")
)


def test_the_accounts_facts_win_over_the_customers() -> None:
    """E-mail, phone and address are the account's, else the customer's; the name is the customer's."""
    own = account(primaryEmail="a@acme.test", address={"phoneNumber": "+2", "postalCode": "1", "country": "IT"})

    facts = account_facts(own, TOGAI_CUSTOMER, None)

    assert (facts.customer_name, facts.account_name) == ("Acme Inc", "Main")
    assert (facts.email, facts.phone) == ("a@acme.test", "+2")
    assert facts.address == {"postal_code": "1", "country": "IT"}


@pytest.mark.parametrize("address", [None, {}])
def test_the_customers_facts_fill_in(address: dict[str, str] | None) -> None:
    """An account without an address of its own."""
    facts = account_facts(account(address=address), TOGAI_CUSTOMER, "")

    assert (facts.email, facts.phone, facts.address) == ("c@acme.test", "+1", {"city": "Rome"})
    assert facts.stripe_customer_id is None


def new(**fields: Any) -> NewStripeCustomer:
    given = {"togai_account_id": "a1", "togai_customer_id": "c1", "customer_name": "Acme Inc", "account_name": "Main"}
    return NewStripeCustomer.model_validate(given | fields)


def test_a_togai_account_becomes_a_stripe_customer_with_both_ids() -> None:
    """Two accounts of one customer are two Stripe customers, distinguished by their description and metadata."""
    params, notes = stripe_customer(new(email="a@b.c", phone="+1", address={"city": "Rome"}))

    assert params == {
        "name": "Acme Inc",
        "description": "Main",
        "email": "a@b.c",
        "phone": "+1",
        "address": {"city": "Rome"},
        "metadata": {"togai_customer_id": "c1", "togai_account_id": "a1"},
    }
    assert notes == ()


def test_what_stripe_would_refuse_is_cut_or_waits() -> None:
    """Names are cut and said; a phone number is not cut."""
    params, notes = stripe_customer(new(customer_name="x" * 257))
    assert params["name"] == "x" * 255 + "…"
    assert notes == ("name of 257 characters was cut to 256",)

    with pytest.raises(
        Waiting, match="phone number has 21 characters, Stripe takes 20: shorten it, and it is written by itself"
    ):
        stripe_customer(new(phone="1" * 21))


def test_absent_facts_are_not_sent() -> None:
    """An empty string would unset at Stripe."""
    assert set(stripe_customer(new(account_name=""))[0]) == {"name", "metadata"}


def test_an_address_model_takes_nulls() -> None:
    """Stripe's answers hold null for every unset part."""
    assert StripeAddress.model_validate({"line1": None, "country": "DE"}).country == "DE"
