"""A flow link that is off writes nothing and loses nobody."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from shared.flows.recheck import replayed

from tests.integration.customers.test_first_contact import TO_STRIPE, TO_TOGAI
from tests.stack.in_process import InProcess


async def test_a_run_that_waited_goes_on_when_its_link_is_on_again(tandem: InProcess) -> None:
    """It waits for an address, the link is switched off, the address comes, the link is switched on."""
    customer = tandem.customer(email="")
    await tandem.drain()
    await tandem.link(TO_TOGAI, enabled=False)
    tandem.change(customer, email="late@x.test")
    await tandem.drain()
    [while_off] = tandem.runs(tandem.ref(customer), "created")
    linked_while_off = tandem.pair(tandem.ref(customer))
    await tandem.link(TO_TOGAI)
    await tandem.recheck()
    [after] = tandem.runs(tandem.ref(customer), "created")

    assert (while_off.state, while_off.reason) == (
        "parked",
        f"flow link {TO_TOGAI} is off: the run goes on when it is on again",
    )
    assert linked_while_off is None
    assert after.state == "succeeded"
    assert tandem.pair(tandem.ref(customer)) is not None


async def test_what_comes_while_it_is_off_is_missed(tandem: InProcess) -> None:
    """It is on record under the flow link, and nothing of it is done later by itself."""
    await tandem.link(TO_STRIPE, enabled=False)
    tandem.account()
    await tandem.drain()
    await tandem.link(TO_STRIPE)
    await tandem.recheck()
    missed = [run for run in tandem.runs() if run.state == "missed"]

    assert [(run.flow_link, run.aggregate) for run in missed] == [(TO_STRIPE, tandem.ref("acme", "togai"))]
    assert tandem.customers() == []


async def test_a_link_that_is_switched_off_in_the_middle_writes_no_more(tandem: InProcess) -> None:
    """The customer was made, its id is not written to Togai until the link is on again."""
    tandem.before_write("settings.post", lambda: tandem.link(TO_STRIPE, enabled=False))
    tandem.account()
    await tandem.drain()
    made, named = tandem.customers(), tandem.setting("acme")
    await tandem.link(TO_STRIPE)
    await tandem.recheck()

    assert len(made) == 1
    assert named is None
    assert tandem.setting("acme") == made[0]["id"]
    assert tandem.customers() == made


async def test_a_claim_of_a_link_that_is_off_is_in_nobodys_way(tandem: InProcess) -> None:
    """Stripe was away when the customer was to be made; nothing was. A person links the account to another one."""
    with tandem.control.fault(
        app="stripe", kind="error_before", match={"account": tandem.accounts["stripe"]["id"], "method": "POST"},
        stored=False,
    ):  # fmt: skip
        tandem.account()
        await tandem.drain()
    open_claim = tandem.links.open_claim(tandem.ref("acme", "togai"))
    await tandem.link(TO_TOGAI, enabled=False)
    customer = tandem.customer()
    await tandem.link(TO_STRIPE, enabled=False, changed_at="2026-01-01T00:00:00.000Z")
    await tandem.recheck()
    tandem.by_hand("link", "acme", customer)
    await tandem.drain()
    await tandem.link(TO_STRIPE)
    await tandem.recheck()

    assert open_claim is not None
    assert tandem.linked(customer).rule == "manual"
    assert [found["id"] for found in tandem.customers()] == [customer]


@pytest.mark.parametrize("flow", [TO_TOGAI, "stripe-customer-changes"])
async def test_what_was_missed_is_made_up_by_an_event_that_only_names_the_entity(tandem: InProcess, flow: str) -> None:
    """A creation is made, a change arrives; the run of the same flow link ends well."""
    customer = tandem.customer(email="one@x.test") if flow != TO_TOGAI else ""
    await tandem.drain()
    await tandem.link(flow, enabled=False)
    customer = customer or tandem.customer(email="one@x.test")
    tandem.change(customer, phone="+49 2")
    await tandem.drain()
    await tandem.link(flow)
    for run in [run for run in tandem.runs() if run.state == "missed" and run.flow_link == flow]:
        at = datetime.now(UTC)
        tandem.deliver(replayed(run.aggregate, run.event_type, f"{run.id}-again", "stripe", at, run.id))
    await tandem.drain()

    assert tandem.togai(f"acc_{customer}")["address"]["phoneNumber"] == "+49 2"
    assert [run.state for run in tandem.runs() if run.flow_link == flow][-1] == "succeeded"


async def test_a_customer_that_was_missed_is_linked_when_a_person_names_its_account(tandem: InProcess) -> None:
    """Nobody waits for its creation any more: the person's edit has it looked at again."""
    for flow in (TO_TOGAI, TO_STRIPE):
        await tandem.link(flow, enabled=False)
    customer = tandem.customer()
    tandem.account()
    await tandem.drain()
    await tandem.link(TO_TOGAI)
    tandem.change(customer, **{"metadata[togai_account_id]": "acme"})
    await tandem.drain()
    pair = tandem.pair(tandem.ref(customer))

    assert pair
    assert (pair.target, pair.rule) == (tandem.ref("acme", "togai"), "metadata")
