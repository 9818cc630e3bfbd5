"""Who is named at the other side is linked, whether or not Tandem has seen the one that names it before."""

from __future__ import annotations

import pytest

from tests.stack.imports import imported
from tests.stack.in_process import InProcess


async def test_an_import_links_an_account_whose_settings_name_the_customer(tandem: InProcess) -> None:
    """Addresses differ, no event has named the account, and no list of accounts shows Settings."""
    customer = tandem.customer(email="billing@x.test")
    account = tandem.account(primaryEmail="someone@else.test")
    tandem.name(account, customer)
    await tandem.stood_before()
    await imported(tandem, "customers", customer)

    assert tandem.linked(customer).rule == "setting"
    assert tandem.linked(customer).target == tandem.ref(account, "togai")
    assert tandem.organization() == [account]


async def test_an_import_links_a_customer_whose_metadata_name_the_account(tandem: InProcess) -> None:
    """The other way round: a Stripe customer that was made for the account before."""
    account = tandem.account(primaryEmail="someone@else.test")
    customer = tandem.customer(email="billing@x.test", **{"metadata[togai_account_id]": account})
    await tandem.stood_before()
    await imported(tandem, "accounts", account)

    assert tandem.linked(customer).rule == "metadata"
    assert [row["id"] for row in tandem.customers()] == [customer]


async def test_of_several_that_name_one_customer_a_person_chooses(tandem: InProcess) -> None:
    """None is guessed, and none is made beside them."""
    customer = tandem.customer()
    accounts = [tandem.account("acme"), tandem.account("other")]
    for account in accounts:
        tandem.name(account, customer)
    await tandem.stood_before()
    await imported(tandem, "customers", customer)
    [run] = tandem.runs(tandem.ref(customer))

    assert tandem.pair(tandem.ref(customer)) is None
    assert all(account in run.reason for account in accounts)
    assert len(tandem.organization()) == 2


async def test_an_account_that_is_linked_to_another_is_no_partner(tandem: InProcess) -> None:
    """Its Settings were changed by hand: who is right a person decides."""
    first, second = tandem.customer(), tandem.customer()
    account = tandem.account()
    tandem.name(account, first)
    await tandem.stood_before()
    await imported(tandem, "customers", first)
    tandem.name(account, second)
    await tandem.stood_before()
    await imported(tandem, "customers", second)

    assert tandem.linked(first).target == tandem.ref(account, "togai")
    assert tandem.pair(tandem.ref(second)) is None
    assert len(tandem.organization()) == 1


@pytest.mark.parametrize("value", ["", "cus_another"])
async def test_a_setting_that_names_the_customer_no_more_links_nobody(tandem: InProcess, value: str) -> None:
    """The index is a hint: the setting is read."""
    customer, account = tandem.customer(), tandem.account(primaryEmail="someone@else.test")
    tandem.name(account, customer)
    await tandem.stood_before()
    tandem.name(account, value)
    tandem.deliver(tandem.created_again(customer))
    await tandem.work_off()

    assert tandem.linked(customer).rule == "created"
    assert len(tandem.organization()) == 2


async def test_who_was_given_an_account_of_its_own_is_not_linked_by_name(tandem: InProcess) -> None:
    """A person's decision stands over what the Settings still say."""
    customer, account = tandem.customer(), tandem.account(primaryEmail="someone@else.test")
    tandem.name(account, customer)
    await tandem.stood_before()
    tandem.by_hand("separate", "", customer)
    await tandem.work_off()
    await imported(tandem, "customers", customer)

    assert tandem.linked(customer).target != tandem.ref(account, "togai")
    assert len(tandem.organization()) == 2
