"""Several accounts at one app: every id is used only where it belongs, and a flow link looks after its own pairs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.customers.conftest import Make
from tests.integration.customers.test_first_contact import TO_STRIPE, TO_TOGAI
from tests.stack.in_process import InProcess

SETTINGS: dict[str, Any] = {"default_currency": "USD"}
CHANGES, BY_HAND = "togai-account-changes", "links-by-hand"


async def with_a_second(make: Make) -> tuple[InProcess, str]:
    """A healthy pair of the first Stripe account, and a flow for changes to the second."""
    tandem = await make("second", **SETTINGS)
    tandem.account()
    await tandem.drain()
    [customer] = tandem.customers()
    await tandem.link(CHANGES, stripe="second", suffix="-second")
    return tandem, str(customer["id"])


async def test_a_flow_link_of_a_second_account_leaves_the_pairs_of_the_first_alone(make: Make) -> None:
    """Its run says so; the first link's run writes the change."""
    tandem, customer = await with_a_second(make)
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": "Acme II"})
    await tandem.drain()
    pair = tandem.pair(tandem.ref(customer))
    runs = {run.flow_link: run for run in tandem.runs(tandem.ref("acme", "togai"), "updated")}

    assert pair is not None
    assert pair.state == "linked"
    assert tandem.stripe(customer)["name"] == "Acme II"
    assert runs[f"{CHANGES}-second"].state == "skipped"
    assert "does not work on" in runs[f"{CHANGES}-second"].reason


async def test_an_account_that_has_its_customer_gets_none_at_a_second_account(make: Make) -> None:
    """One partner each: the second link's run ends, and nothing is written anywhere."""
    tandem = await make("second", **SETTINGS)
    await tandem.link(TO_STRIPE, stripe="second", suffix="-second")
    tandem.account()
    await tandem.drain()
    customers = [*tandem.customers(), *tandem.customers("second")]

    assert len(customers) == 1
    assert tandem.setting("acme") == customers[0]["id"]
    assert {run.state for run in tandem.runs(tandem.ref("acme", "togai"), "created")} == {"succeeded", "skipped"}


@pytest.mark.parametrize("change", ["unlink", "relink"])
async def test_a_decision_is_carried_out_by_the_link_of_the_pairs_own_accounts(make: Make, change: str) -> None:
    """The other link by hand touches neither the pair nor its ids."""
    tandem, customer = await with_a_second(make)
    other = tandem.customer()
    await tandem.link(TO_TOGAI, enabled=False)
    await tandem.link(BY_HAND, enabled=False)
    await tandem.link(BY_HAND, stripe="second", suffix="-second")
    tandem.by_hand(change, "acme", customer if change == "unlink" else other)
    await tandem.drain()
    pair = tandem.pair(tandem.ref(customer))

    assert pair is not None
    assert tandem.setting("acme") == customer
    assert tandem.stripe(customer)["metadata"]["togai_account_id"] == "acme"


async def test_an_equal_address_at_two_stripe_accounts_is_no_rival(make: Make) -> None:
    """Each Stripe customer becomes its own Togai account; a later change reaches its own one alone."""
    tandem = await make("second", **SETTINGS)
    await tandem.link(TO_TOGAI, stripe="second", suffix="-second")
    await tandem.link("stripe-customer-changes", stripe="second", suffix="-second")
    one, two = tandem.customer(email="one@x.test"), tandem.customer(at="second", email="two@x.test")
    await tandem.drain()
    tandem.change(two, at="second", name="Second Inc")
    await tandem.drain()

    assert tandem.togai(f"acc_{one}")["customer"]["name"] == "Globex"
    assert tandem.togai(f"acc_{two}")["customer"]["name"] == "Second Inc"


async def test_a_connection_that_was_removed_and_added_again_goes_on(make: Make) -> None:
    """Under another name, with a key to the same account: the pairs are the account's, not the connection's."""
    tandem = await make(**SETTINGS)
    tandem.account()
    await tandem.drain()
    [customer] = tandem.customers()
    await tandem.replace_connection("stripe", "again")
    await tandem.link(CHANGES, stripe="again")
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": "Acme II"})
    await tandem.drain("togai")

    assert tandem.stripe(str(customer["id"]))["name"] == "Acme II"


async def test_a_sibling_waits_while_the_first_ones_customer_is_being_made(tandem: InProcess) -> None:
    """Stripe made it and its answer was lost: it has the address and is linked to nobody, and is no candidate."""
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "customers.create"}
    tandem.account("east", {"id": "acme"}, primaryEmail="same@acme.test")
    tandem.reported("east")
    with tandem.control.fault(app="stripe", kind="error_after", match=match, times=1):
        await tandem.drain("stripe")
    west = {"id": "west", "name": "West", "customerId": "acme", "primaryEmail": "same@acme.test", "address": {}}
    tandem.call("togai", "POST", "/accounts", json=west)
    tandem.reported("west")
    await tandem.drain("stripe")
    meanwhile = tandem.runs(tandem.ref("west", "togai"), "created")[-1]
    await tandem.recheck()
    pairs = [tandem.pair(tandem.ref(account, "togai")) for account in ("east", "west")]

    assert meanwhile.problem
    assert meanwhile.problem.error == "NotReady"
    assert len({pair.target for pair in pairs if pair}) == len(tandem.customers()) == 2


async def test_a_decision_is_carried_out_by_the_flow_link_that_was_asked(tandem: InProcess) -> None:
    """Two could: the other one leaves it, whatever it would have done."""
    await tandem.link(TO_STRIPE, enabled=False)
    await tandem.link(TO_TOGAI, enabled=False)
    await tandem.link("links-by-hand", suffix="-too")
    tandem.account()
    customer = tandem.customer()
    await tandem.drain()
    tandem.by_hand("link", "acme", customer, flow_link="links-by-hand")
    await tandem.drain()
    runs = tandem.runs(tandem.ref("acme", "togai"), "link_requested")

    assert {run.flow_link: run.state for run in runs} == {"links-by-hand": "succeeded", "links-by-hand-too": "skipped"}
    assert tandem.pair(tandem.ref(customer))


async def test_a_link_that_names_a_connection_to_another_app_is_refused(tandem: InProcess) -> None:
    """No call goes to one vendor with what is meant for the other: the run says that the link is wrong."""
    await tandem.link(TO_STRIPE, stripe="togai")
    tandem.account()
    await tandem.drain()
    [letter] = tandem.letters()

    assert letter.problem.error == "Misconfigured"
    assert "connection togai is none to stripe" in letter.problem.reason
    assert tandem.customers() == []
