"""The preview of a revert says what the revert then does."""

from __future__ import annotations

import asyncio

from tests.stack.console import Console
from tests.stack.in_process import InProcess


async def test_what_a_person_changed_stays_as_the_preview_says(tandem: InProcess, console: Console) -> None:
    """A comparison in between saw the change; what still stands goes back."""
    await tandem.link("stripe-customer-to-togai-customer", enabled=False)
    customer = tandem.customer(name="Kept by hand", email="one@x.test", phone="+1 555")
    await tandem.drain()
    tandem.account(primaryEmail="one@x.test", address={"phoneNumber": "+1 777"})
    await tandem.drain()
    run = tandem.runs(tandem.ref("acme", "togai"), "created")[-1]
    tandem.change(customer, phone="+1 999")
    await tandem.drain()

    path = f"/api/runs/{run.id}/revert"
    shown = (await asyncio.to_thread(console.ask, "GET", path)).json()
    asked = await asyncio.to_thread(console.ask, "POST", path, json={"reason": "a wrong import"})
    await tandem.drain()
    reverted = tandem.stripe(customer)
    [done] = tandem.runs(event_type="link_requested")

    assert {one["field"]: one["why"] for one in shown["stays"]} == {"phone": "its phone is '+1 999' now"}
    assert {"name", "phone"} <= {name for write in shown["writes"] for name in write["set"]}
    assert asked.status_code == 202, asked.text
    assert (reverted["name"], reverted["phone"]) == ("Kept by hand", "+1 999")
    assert any("phone of" in note and "it stays" in note for step in done.steps for note in step.notes)


async def test_what_is_back_already_does_not_go_back_again(tandem: InProcess, console: Console) -> None:
    """Also an address that Togai had none of: nothing at all was written in its place."""
    await tandem.link("togai-account-to-stripe-customer", enabled=False)
    tandem.account(primaryEmail="one@x.test")
    await tandem.drain()
    address = {"address[line1]": "Main Street 1", "address[city]": "Oslo", "address[country]": "NO"}
    customer = tandem.customer(name="Kept by hand", email="one@x.test", **address)
    await tandem.drain()
    run = tandem.runs(tandem.ref(customer), "created")[-1]
    path = f"/api/runs/{run.id}/revert"
    await asyncio.to_thread(console.ask, "POST", path, json={"reason": "a wrong import"})
    await tandem.drain()
    shown = (await asyncio.to_thread(console.ask, "GET", path)).json()
    written = {name for write in shown["writes"] for name in write["set"]}

    assert tandem.togai()["customer"]["address"] == {}
    assert written == {"name", "address"}
    assert {one["field"] for one in shown["stays"]} == written


async def test_a_revert_that_emptied_an_address_can_be_undone(tandem: InProcess, console: Console) -> None:
    """The preview of the undoing says that the address goes back, and it does."""
    await tandem.link("togai-account-to-stripe-customer", enabled=False)
    tandem.account(primaryEmail="one@x.test")
    await tandem.drain()
    address = {"address[line1]": "Main Street 1", "address[city]": "Oslo", "address[country]": "NO"}
    customer = tandem.customer(name="Kept by hand", email="one@x.test", **address)
    await tandem.drain()
    first = tandem.runs(tandem.ref(customer), "created")[-1]
    await asyncio.to_thread(console.ask, "POST", f"/api/runs/{first.id}/revert", json={"reason": "a wrong import"})
    await tandem.drain()
    emptied = tandem.togai()["customer"]["address"]
    [reverting] = tandem.runs(event_type="link_requested")
    path = f"/api/runs/{reverting.id}/revert"
    shown = (await asyncio.to_thread(console.ask, "GET", path)).json()
    await asyncio.to_thread(console.ask, "POST", path, json={"reason": "it was right"})
    await tandem.drain()

    assert emptied == {}
    assert {name for write in shown["writes"] for name in write["set"]} == {"name", "address"}
    assert not shown["stays"]
    assert tandem.togai()["customer"]["address"]["line1"] == "Main Street 1"
    assert tandem.stripe(customer)["name"] == "Customer acme"
