"""A run tells all that it replaced, however often it was tried, and so does a revert: else nobody could undo it."""

from __future__ import annotations

import pytest

from tests.integration.customers.test_faults import lived_through
from tests.integration.customers.test_interrupted import dies_once
from tests.stack.in_process import InProcess


async def apart(tandem: InProcess) -> str:
    """A customer and an account that nothing has linked yet. Returns the customer."""
    await tandem.link("stripe-customer-to-togai-customer", enabled=False)
    address = {"address[line1]": "Main Street 1", "address[city]": "Oslo", "address[country]": "NO"}
    customer = tandem.customer(name="At Stripe", email="one@x.test", **address)
    await tandem.drain()
    tandem.account(primaryEmail="one@x.test")
    return customer


async def first_contact(tandem: InProcess) -> str:
    """Both are linked: values are written to both. Returns the customer."""
    customer = await apart(tandem)
    await tandem.drain()
    assert (name(tandem, customer), city(tandem)) == ("Customer acme", "Oslo")
    return customer


def name(tandem: InProcess, customer: str) -> str:
    return str(tandem.stripe(customer)["name"])


def city(tandem: InProcess) -> str:
    return str(tandem.togai()["customer"]["address"].get("city", ""))


async def reverted(tandem: InProcess, customer: str, run: int) -> None:
    """Revert the run of that place among those that wrote fields, and bring it to its end."""
    writes = wrote(tandem)[run]
    tandem.by_hand("revert", "acme", customer, writes=writes)
    await tandem.drain()
    await lived_through(tandem)


def wrote(tandem: InProcess) -> list[list[object]]:
    """The writes of all runs that wrote fields, the oldest first."""
    steps = [step for run in tandem.runs() for step in run.steps]
    return [step.output["writes"] for step in steps if step.output and step.output.get("writes")]


async def test_its_own_echo_is_compared_before_it_is_recorded(tandem: InProcess) -> None:
    """The worker of the other side reads the pair between the writes and the record of them."""
    customer = await first_contact(tandem)

    async def echo() -> None:
        await tandem._poll_stripe("stripe")
        await tandem._handle(tandem._next.pop())

    async def before_it_reads_again() -> None:
        tandem.before_write("customers.retrieve", echo)

    tandem.before_write("customers.update", before_it_reads_again)
    await reverted(tandem, customer, 0)
    back = (name(tandem, customer), city(tandem))
    await reverted(tandem, customer, 1)

    assert back == ("At Stripe", "")
    assert (name(tandem, customer), city(tandem)) == ("Customer acme", "Oslo")


@pytest.mark.parametrize(("app", "operation"), [("stripe", "customers.update"), ("togai", "customers.update")])
@pytest.mark.parametrize("kind", ["error_before", "error_after"])
async def test_a_write_fails_once(tandem: InProcess, app: str, operation: str, kind: str) -> None:
    """What was written before it, or by it, is in what the run tells."""
    customer = await first_contact(tandem)
    match = {"account": tandem.accounts[app]["id"], "operation": operation}
    with tandem.control.fault(app=app, kind=kind, match=match, times=1):
        await reverted(tandem, customer, 0)
    back = (name(tandem, customer), city(tandem))
    await reverted(tandem, customer, 1)

    assert back == ("At Stripe", "")
    assert (name(tandem, customer), city(tandem)) == ("Customer acme", "Oslo")


async def test_six_reverts_are_no_fight(tandem: InProcess) -> None:
    """Two systems that write one pair in turn are stopped after five writes; a person is not."""
    customer = await first_contact(tandem)
    for run in range(6):
        await reverted(tandem, customer, run)

    assert (name(tandem, customer), city(tandem)) == ("Customer acme", "Oslo")
    assert len(wrote(tandem)) == 7


@pytest.mark.parametrize("app", ["stripe", "togai"])
@pytest.mark.parametrize("kind", ["error_before", "error_after"])
async def test_what_a_first_contact_replaced_before_a_call_failed(tandem: InProcess, app: str, kind: str) -> None:
    """A later try finds written what the first one wrote: the former values would stand nowhere."""
    customer = await apart(tandem)
    match = {"account": tandem.accounts[app]["id"], "operation": "customers.update"}
    with tandem.control.fault(app=app, kind=kind, match=match, times=4) as fired:
        await tandem.drain()
        struck = fired()
    await lived_through(tandem)
    found = (name(tandem, customer), city(tandem))
    for run in reversed(range(len(wrote(tandem)))):  # an echo's run may have written the rest
        await reverted(tandem, customer, run)

    assert struck
    assert found == ("Customer acme", "Oslo")
    assert (name(tandem, customer), city(tandem)) == ("At Stripe", "")


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize(("call", "number"), [("call stripe customers.update", 2), ("call togai customers.patch", 1)])
async def test_what_a_worker_replaced_that_died(tandem: InProcess, call: str, number: int, phase: str) -> None:
    """It announces them before it sends the call. The first update at Stripe writes the ids."""
    customer = await apart(tandem)
    deaths = await dies_once(tandem, lambda at: (at.label, at.number, at.phase) == (call, number, phase))
    await lived_through(tandem)
    found = (name(tandem, customer), city(tandem))
    for run in reversed(range(len(wrote(tandem)))):
        await reverted(tandem, customer, run)

    assert deaths == 1
    assert found == ("Customer acme", "Oslo")
    assert (name(tandem, customer), city(tandem)) == ("At Stripe", "")


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("call", ["call stripe customers.update", "call togai customers.patch"])
async def test_a_worker_that_died_over_a_revert(tandem: InProcess, call: str, phase: str) -> None:
    """Who goes on with it finds values back, and tells them as written."""
    customer = await first_contact(tandem)
    tandem.by_hand("revert", "acme", customer, writes=wrote(tandem)[0])
    deaths = await dies_once(tandem, lambda at: (at.label, at.phase) == (call, phase))
    await lived_through(tandem)
    back = (name(tandem, customer), city(tandem))
    await reverted(tandem, customer, 1)

    assert deaths == 1
    assert back == ("At Stripe", "")
    assert (name(tandem, customer), city(tandem)) == ("Customer acme", "Oslo")
