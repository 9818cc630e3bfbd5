"""Whichever way two become a pair, nothing that somebody filled in is emptied."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.customers.conftest import Make
from tests.stack.in_process import InProcess

FILLED = {
    "phone": "+49 30 1", "address[line1]": "Ring 1", "address[city]": "Berlin", "address[country]": "DE",
    "metadata[VATN]": "DE123456789",
}  # fmt: skip
FILLED_AT_TOGAI = {"phoneNumber": "+49 30 1", "line1": "Ring 1", "city": "Berlin", "country": "DE"}
TO_STRIPE, TO_TOGAI = "togai-account-to-stripe-customer", "stripe-customer-to-togai-customer"


async def by_a_new_account(tandem: InProcess) -> str:
    await tandem.link(TO_TOGAI, enabled=False)
    customer = tandem.customer(email="one@x.test", **FILLED)
    await tandem.drain()
    tandem.account(primaryEmail="one@x.test")
    return customer


async def by_a_new_customer(tandem: InProcess) -> str:
    await tandem.link(TO_STRIPE, enabled=False)
    tandem.account(primaryEmail="one@x.test")
    await tandem.drain()
    return tandem.customer(email="one@x.test", **FILLED)


async def by_hand(tandem: InProcess) -> str:
    for flow in (TO_STRIPE, TO_TOGAI):
        await tandem.link(flow, enabled=False)
    customer = tandem.customer(**FILLED)
    tandem.account()
    await tandem.drain()
    tandem.by_hand("link", "acme", customer)
    return customer


async def by_a_setting(tandem: InProcess) -> str:
    await tandem.link(TO_TOGAI, enabled=False)
    customer = tandem.customer(**FILLED)
    await tandem.drain()
    setting = {"id": "StripeCustomerId", "value": customer, "namespace": "USER", "name": "x", "dataType": "STRING"}
    tandem.account(settings=[setting])
    return customer


async def by_metadata(tandem: InProcess) -> str:
    await tandem.link(TO_STRIPE, enabled=False)
    tandem.account()
    await tandem.drain()
    return tandem.customer(**FILLED, **{"metadata[togai_account_id]": "acme"})


WAYS = [by_a_new_account, by_a_new_customer, by_hand, by_a_setting, by_metadata]


@pytest.mark.parametrize("link", WAYS, ids=lambda way: way.__name__)
async def test_a_filled_value_wins_over_an_empty_one(tandem: InProcess, link: Any) -> None:
    """Stripe has phone, address and a VAT number, the Togai account has none: they stay, and Togai gets them."""
    customer = await link(tandem)
    await tandem.drain()
    found, account = tandem.stripe(customer), tandem.togai()

    assert tandem.pair(tandem.ref(customer)) == tandem.pair(tandem.ref("acme", "togai"))
    assert (found["phone"], found["address"]["line1"], found["metadata"]["VATN"]) == (
        "+49 30 1",
        "Ring 1",
        "DE123456789",
    )
    assert account["customer"]["address"] == FILLED_AT_TOGAI
    assert not account.get("address")
    assert account["metadata"] == {"VATN": "DE123456789"}


async def test_what_is_filled_in_hides_nothing_that_is_changed_above_the_account(tandem: InProcess) -> None:
    """The account shows its customer's street and has none of its own: a phone number joins the street, there."""
    await tandem.link(TO_TOGAI, enabled=False)
    customer = tandem.customer(email="one@x.test", phone="+49 30 1")
    await tandem.drain()
    tandem.account(customer={"address": {"line1": "Ring 1", "country": "DE"}}, primaryEmail="one@x.test")
    await tandem.drain()
    filled = tandem.togai()
    moved = {"line1": "Ring 2", "country": "DE", "phoneNumber": "+49 30 2"}
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"address": moved})
    await tandem.drain()
    found = tandem.stripe(customer)

    assert (filled.get("address"), filled["customer"]["address"]["phoneNumber"]) == (None, "+49 30 1")
    assert (found["address"]["line1"], found["phone"]) == ("Ring 2", "+49 30 2")


async def test_after_the_first_contact_an_owners_emptying_travels(tandem: InProcess) -> None:
    """It is deliberate, and what stood there is in the run."""
    customer = await by_a_new_account(tandem)
    await tandem.drain()
    tandem.call("togai", "PATCH", "/accounts/acme", json={"address": {"line1": "Ring 1"}})
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"address": {"line1": "Ring 1"}})
    await tandem.drain()
    changed = [run for run in tandem.runs(tandem.ref("acme", "togai"), "updated") if run.state == "succeeded"][-1]
    [write] = changed.steps[-1].output["writes"]

    assert tandem.stripe(customer)["phone"] is None
    assert write["former"]["phone"] == "+49 30 1"
    assert write["former"]["address"]["city"] == "Berlin"


async def test_a_key_that_is_newly_synced_erases_nothing(make: Make) -> None:
    """It had never been compared: what one side has is copied to the other."""
    tandem = await make(default_currency="USD")
    tandem.account(metadata={"GSTN": "29AAB"})
    await tandem.drain()
    [customer] = tandem.customers()
    tandem.change(customer["id"], **{"metadata[VATN]": "DE1"})
    await tandem.drain()
    tandem.settings.synced_metadata[:] = ["VATN", "GSTN"]
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": "Acme II"})
    await tandem.drain()

    assert tandem.togai()["metadata"] == {"GSTN": "29AAB", "VATN": "DE1"}
    assert {key: tandem.stripe(customer["id"])["metadata"][key] for key in ("GSTN", "VATN")} == {
        "GSTN": "29AAB",
        "VATN": "DE1",
    }


async def test_what_a_person_sets_back_after_both_sides_were_written_stays(tandem: InProcess) -> None:
    """The first contact writes a name to Stripe and a phone number to Togai. It is over then: the same name that comes
    later is a person's, and no late write of ours.
    """
    await tandem.link(TO_TOGAI, enabled=False)
    customer = tandem.customer(name="Kept by hand", email="one@x.test", phone="+1 555")
    await tandem.drain()
    tandem.account(primaryEmail="one@x.test")
    await tandem.drain()
    linked = tandem.runs(tandem.ref(customer), "updated")
    tandem.waited = 2 * tandem.settings.call_timeout + 1
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": "Second"})
    await tandem.drain()
    tandem.change(customer, name="Customer acme")
    await tandem.drain()

    assert {run.state for run in linked} == {"in_sync"}
    assert tandem.stripe(customer)["name"] == "Customer acme"
    assert tandem.togai()["customer"]["name"] == "Second"


async def test_what_a_run_overwrote_is_written_back_by_hand(tandem: InProcess) -> None:
    """Both sides then differ on purpose: nothing travels until an owner changes its value."""
    await tandem.link(TO_TOGAI, enabled=False)
    customer = tandem.customer(name="Kept by hand", email="one@x.test", phone="+1 555")
    await tandem.drain()
    tandem.account(primaryEmail="one@x.test", address={"phoneNumber": "+1 777"})
    await tandem.drain()
    overwritten = tandem.stripe(customer)
    run = tandem.runs(tandem.ref("acme", "togai"), "created")[-1]
    writes = [write for step in run.steps for write in step.output.get("writes", ())]
    tandem.by_hand("revert", "acme", customer, writes=writes)
    await tandem.drain()
    tandem.change(customer, description="something else")
    tandem.call("togai", "PATCH", "/accounts/acme", json={"metadata": {"other": "x"}})
    await tandem.drain()
    reverted = tandem.stripe(customer)

    assert (overwritten["name"], overwritten["phone"]) == ("Customer acme", "+1 777")
    assert (reverted["name"], reverted["phone"]) == ("Kept by hand", "+1 555")
    assert tandem.togai()["address"]["phoneNumber"] == "+1 777"


async def test_what_was_filled_in_is_taken_back_without_erasing_its_source(tandem: InProcess) -> None:
    """Togai, the owner, loses what Tandem had copied to it; Stripe, where it came from, keeps it."""
    customer = await by_a_new_account(tandem)
    await tandem.drain()
    run = tandem.runs(tandem.ref("acme", "togai"), "created")[-1]
    writes = [write for step in run.steps for write in step.output.get("writes", ())]
    tandem.by_hand("revert", "acme", customer, writes=writes)
    await tandem.drain()
    tandem.change(customer, description="something else")
    await tandem.drain()

    assert not tandem.togai()["customer"]["address"]
    assert tandem.stripe(customer)["phone"] == "+49 30 1"


async def test_many_overwrites_wait_for_one_confirmation(make: Make) -> None:
    """Twenty pairs go on; the next one waits, says what to do, and goes on when a person has confirmed."""
    tandem = await make(default_currency="USD", delay_scale=1)
    await tandem.link(TO_TOGAI, enabled=False)
    customers = [tandem.customer(email=f"n{n}@x.test", phone="+1 555") for n in range(22)]
    await tandem.drain()
    for n in range(22):
        tandem.account(f"a{n}", primaryEmail=f"n{n}@x.test", address={"phoneNumber": "+1 777"})
    await tandem.drain()
    phones = [tandem.stripe(customer)["phone"] for customer in customers]
    held = [run for run in tandem.runs() if run.state == "parked"]
    link = tandem.registry.links[TO_STRIPE]
    await tandem.confirm(link)
    await tandem.recheck()

    assert phones.count("+1 777") == 20
    assert {run.problem.code for run in held if run.problem} == {"confirm_overwrites"}
    assert "tandem flow-links confirm" in held[0].reason
    assert {tandem.stripe(customer)["phone"] for customer in customers} == {"+1 777"}
