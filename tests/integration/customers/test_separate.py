"""Who is declared separate after an unlink gets an other side of its own: never the one that it had before."""

from __future__ import annotations

from tests.integration.customers.test_faults import lived_through
from tests.integration.customers.test_first_contact import TO_STRIPE
from tests.stack.in_process import InProcess


def partner(tandem: InProcess, account: str) -> str:
    """The Stripe customer that an account is linked to."""
    pair = tandem.pair(tandem.ref(account, "togai"))
    assert pair is not None
    return next(ref.rpartition("/")[2] for ref in pair.refs if ref.startswith("stripe:"))


async def made(tandem: InProcess, account: str = "acme") -> str:
    """An account, and the Stripe customer that was made for it."""
    tandem.account(account)
    await tandem.drain()
    return partner(tandem, account)


async def separated(tandem: InProcess, account: str, customer: str) -> None:
    """The link is taken back by hand, then a person lets one of the two have its own."""
    tandem.by_hand("unlink", account, customer)
    await tandem.drain()
    await separate(tandem, account, customer)


async def separate(tandem: InProcess, account: str, customer: str = "") -> None:
    """A person lets one have its own: it is made at once."""
    tandem.by_hand("separate", account, customer)
    await tandem.drain()


async def test_an_account_gets_another_customer_each_time(tandem: InProcess) -> None:
    """The vendor would answer the first creation's key with the customer that was unlinked."""
    first = await made(tandem)
    await separated(tandem, "acme", "")
    second = partner(tandem, "acme")
    await separated(tandem, "acme", "")
    third = partner(tandem, "acme")
    named = {one["id"]: one["metadata"].get("togai_account_id") for one in tandem.customers()}

    assert named == {first: None, second: None, third: "acme"}
    assert tandem.setting("acme") == third


async def test_who_makes_the_other_side_is_off(tandem: InProcess) -> None:
    """The decision holds, and the outcome says what is still to be done."""
    await made(tandem)
    await tandem.link(TO_STRIPE, enabled=False)
    await separated(tandem, "acme", "")
    asked = tandem.runs(event_type="link_requested")[-1]

    assert tandem.pair(tandem.ref("acme", "togai")) is None
    assert asked.state == "succeeded"
    assert f"is not made while {TO_STRIPE} is off" in asked.reason.replace("link_", "")


async def test_the_first_creation_needed_several_attempts(tandem: InProcess) -> None:
    """Its last key is one that the next creation would use: what Stripe answers with is not taken."""
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "customers.create"}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, times=1):
        tandem.account()
        await tandem.drain()
    await lived_through(tandem)
    first = partner(tandem, "acme")
    await separated(tandem, "acme", "")
    await lived_through(tandem)

    assert partner(tandem, "acme") != first
    assert "togai_account_id" not in tandem.stripe(first)["metadata"]


async def test_an_account_that_was_changed_meanwhile_gets_another_customer(tandem: InProcess) -> None:
    """The vendor knows the first creation's key with another body."""
    first = await made(tandem)
    tandem.by_hand("unlink", "acme", first)
    await tandem.drain()
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": "Acme II"})
    await tandem.drain()
    await separate(tandem, "acme")
    names = {one["id"]: one["name"] for one in tandem.customers()}

    assert names == {first: "Customer acme", partner(tandem, "acme"): "Acme II"}


async def test_a_customer_that_is_another_accounts_by_now_stays_so(tandem: InProcess) -> None:
    """It was moved by hand; what is written for the former account goes to its own."""
    customer = await made(tandem)
    tandem.account("other")
    await tandem.drain()
    tandem.by_hand("relink", "other", customer)
    await tandem.drain()
    await separate(tandem, "acme")
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": "Acme II"})
    await tandem.drain()

    assert partner(tandem, "other") == customer
    assert partner(tandem, "acme") != customer
    assert tandem.stripe(customer)["metadata"]["togai_account_id"] == "other"
    assert tandem.stripe(customer)["name"] == "Customer other"


async def test_a_customer_gets_another_account_each_time(tandem: InProcess) -> None:
    """Its account's id is derived from its own, and the unlinked one has that id for ever."""
    customer = tandem.customer()
    await tandem.drain()
    for _ in range(2):
        await separated(tandem, "", customer)
    first, second, third = tandem.organization()

    assert [first, second, third] == [f"acc_{customer}", f"acc_{customer}-2", f"acc_{customer}-3"]
    assert tandem.linked(customer).target == tandem.ref(third, "togai")
    assert [tandem.setting(one) for one in (first, second, third)] == ["", "", customer]
    assert tandem.stripe(customer)["metadata"] == {
        "togai_account_id": third,
        "togai_customer_id": f"{customer}-3",
    }
