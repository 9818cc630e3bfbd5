"""A pair is made late or with an old picture of its customer: what changed meanwhile reaches the other side too."""

from __future__ import annotations

from tests.integration.customers.test_changes import differences, ended, made_in_stripe
from tests.stack.in_process import InProcess


async def reported_last(tandem: InProcess, customer: str) -> None:
    """Every event of Stripe about a customer, the creation after all others, as it promises no order."""
    page = tandem.call("stripe", "GET", "/v1/events", params={"limit": 100})["data"]
    events = [event for event in page if event["data"]["object"]["id"] == customer]
    for body in sorted(events, key=lambda event: event["type"] == "customer.created"):
        tandem.deliver(tandem.event_of(body))
        await tandem.work_off()


async def test_a_change_is_reported_before_the_creation(tandem: InProcess) -> None:
    """A creation comes with its old picture, and nobody else looks at the change any more."""
    customer = tandem.customer(name="Old name", phone="+1")
    tandem.change(customer, name="New name", phone="+2")
    await reported_last(tandem, customer)
    found = tandem.togai(f"acc_{customer}")["customer"]

    assert tandem.runs(tandem.ref(customer), "customer.updated")[0].state == "skipped"
    assert (found["name"], found["address"]) == ("New name", {"phoneNumber": "+2"})


async def test_an_address_is_reported_before_the_creation(tandem: InProcess) -> None:
    """The creation shows no address and would wait for one; it is there already, and comes no second time."""
    customer = tandem.customer(email="")
    tandem.change(customer, email="late@globex.test")
    await reported_last(tandem, customer)

    assert tandem.runs(tandem.ref(customer), "customer.updated")[0].state == "skipped"
    assert tandem.togai(f"acc_{customer}")["customer"]["primaryEmail"] == "late@globex.test"


async def test_a_change_between_the_create_and_its_answer(tandem: InProcess) -> None:
    """Whoever goes on with a claim finds what its body made: that is what both sides had in common, not the present."""
    org = tandem.accounts["togai"]["id"]
    create, look = ({"account": org, "operation": name} for name in ("customers.create", "accounts.retrieve"))
    with (
        tandem.control.fault(app="togai", kind="cut_after", match=create, times=1) as fired,
        tandem.control.fault(app="togai", kind="error_before", match=look),
    ):
        customer = tandem.customer(phone="+1")
        await tandem.drain("stripe")
        struck, waiting = fired(), tandem.runs(tandem.ref(customer), "customer.created")[-1].state
        tandem.change(customer, phone="+2")
    await tandem.recheck()

    assert (struck, waiting) == (1, "parked")
    assert tandem.togai(f"acc_{customer}")["address"] == {"phoneNumber": "+2"}


async def test_an_account_is_archived_between_the_look_and_the_write(tandem: InProcess) -> None:
    """Togai refuses the change; the next comparison sees why, and nothing is given up on."""
    customer = await made_in_stripe(tandem, phone="+1")
    archived = 0

    async def archive() -> None:
        nonlocal archived
        archived += 1
        tandem.call("togai", "DELETE", f"/accounts/acc_{customer}")

    tandem.before_write("accounts.patch", archive)
    tandem.change(customer, phone="+2")
    await tandem.drain()

    assert archived == 1
    assert list(differences(tandem, customer)) == ["phone"]
    assert tandem.letters() == []


async def test_an_account_is_archived_for_the_moment_of_the_write_only(tandem: InProcess) -> None:
    """Togai refuses a change, and whoever looks why finds the account active: the same once more is taken."""
    customer = await made_in_stripe(tandem, phone="+1")
    match = {"account": tandem.accounts["togai"]["id"], "operation": "customers.update"}
    with tandem.control.fault(app="togai", kind="error_before", match=match, times=1, status=400) as fired:
        tandem.change(customer, phone="+2")
        await tandem.drain()
        struck = fired()

    assert struck == 1
    assert tandem.togai(f"acc_{customer}")["address"] == {"phoneNumber": "+2"}
    assert ended(tandem)


async def test_a_refusal_for_good_is_shown(tandem: InProcess) -> None:
    """Togai does not take the value: it is shown with Togai's words, and is no dead letter."""
    customer = await made_in_stripe(tandem, phone="+1")
    match = {"account": tandem.accounts["togai"]["id"], "operation": "customers.update"}
    with tandem.control.fault(app="togai", kind="error_before", match=match, status=400):
        tandem.change(customer, phone="+2")
        await tandem.drain()

    assert any("Togai refused the value" in found.reason for found in differences(tandem, customer).values())
    assert tandem.letters() == []
