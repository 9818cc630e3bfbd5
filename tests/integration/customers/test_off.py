"""A flow link that is off writes nothing and loses nobody."""

from __future__ import annotations

from tests.integration.customers.test_first_contact import TO_STRIPE, TO_TOGAI
from tests.stack.in_process import InProcess


async def test_a_run_that_waited_goes_on_when_its_link_is_on_again(tandem: InProcess) -> None:
    """It waits for an address, the link is switched off, the address comes, the link is switched on."""
    customer = tandem.customer(email="")
    await tandem.settle()
    await tandem.link(TO_TOGAI, enabled=False)
    tandem.change(customer, email="late@x.test")
    await tandem.settle()
    [while_off] = tandem.runs(tandem.ref(customer), "created")
    linked_while_off = tandem.pair(tandem.ref(customer))
    await tandem.link(TO_TOGAI)
    await tandem.look_again()
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
    await tandem.settle()
    await tandem.link(TO_STRIPE)
    await tandem.look_again()
    missed = [run for run in tandem.runs() if run.state == "missed"]

    assert [(run.flow_link, run.aggregate) for run in missed] == [(TO_STRIPE, tandem.ref("acme", "togai"))]
    assert tandem.customers() == []


async def test_a_link_that_is_switched_off_in_the_middle_writes_no_more(tandem: InProcess) -> None:
    """The customer was made, its id is not written to Togai until the link is on again."""
    tandem.before_write("settings.post", lambda: tandem.link(TO_STRIPE, enabled=False))
    tandem.account()
    await tandem.settle()
    made, named = tandem.customers(), tandem.setting("acme")
    await tandem.link(TO_STRIPE)
    await tandem.look_again()

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
        await tandem.settle()
    begun = tandem.registry.mappings.begun(tandem.ref("acme", "togai"))
    await tandem.link(TO_TOGAI, enabled=False)
    customer = tandem.customer()
    await tandem.link(TO_STRIPE, enabled=False, changed_at="2026-01-01T00:00:00.000Z")
    await tandem.look_again()
    tandem.by_hand("link", "acme", customer)
    await tandem.settle()
    await tandem.link(TO_STRIPE)
    await tandem.look_again()

    assert begun is not None
    assert tandem.linked(customer).rule == "manual"
    assert [found["id"] for found in tandem.customers()] == [customer]
