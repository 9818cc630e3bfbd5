"""A worker that dies between two writes of one change leaves the other one to the next."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.customers.test_first_contact import TO_STRIPE, TO_TOGAI
from tests.stack.in_process import InProcess
from tests.stack.points import Died, Point


async def dies_once(tandem: InProcess, here: Callable[[Point], bool]) -> int:
    """The worker dies at the first point of these, another one takes its place, and all comes to its end. How often it
    died.
    """
    deaths = 0

    def die(point: Point) -> None:
        nonlocal deaths
        if not deaths and here(point):
            deaths += 1
            raise Died

    tandem.points.at = die
    try:
        await tandem.drain()
    except Died:
        tandem.points.revive()
        await tandem.restart()
    await tandem.drain()
    return deaths


async def test_who_dies_between_account_and_customer_changes_both(tandem: InProcess) -> None:
    """The account's name follows its customer's, also where only one of them was written."""
    customer = tandem.customer(name="Globex")
    await tandem.drain()
    tandem.change(customer, name="Globex Ltd")
    deaths = await dies_once(tandem, lambda point: point.label.endswith(".patch") and point.phase == "after")
    shown = tandem.togai(f"acc_{customer}")

    assert (deaths, shown["name"], shown["customer"]["name"]) == (1, "Globex Ltd", "Globex Ltd")


async def test_who_dies_before_a_linked_customer_has_its_ids_leaves_them_to_the_next(tandem: InProcess) -> None:
    """The next life finds the claim and writes the ids: behind a finished link nobody would look for them."""
    for flow in (TO_STRIPE, TO_TOGAI):
        await tandem.link(flow, enabled=False)
    customer = tandem.customer(name="Old Inc", email="same@one.test")
    await tandem.drain()
    for flow in (TO_STRIPE, TO_TOGAI):
        await tandem.link(flow)
    tandem.account(primaryEmail="same@one.test")
    states: list[str] = []

    def before_the_ids(point: Point) -> bool:
        writes = point.label.startswith("call stripe") and "customers.update" in point.label
        if not writes or point.phase != "before":
            return False
        held = tandem.links.open_claim(tandem.ref("acme", "togai"))
        states.append(held.state if held else "none")
        return True

    deaths = await dies_once(tandem, before_the_ids)
    [found] = tandem.customers()

    assert (deaths, states) == (1, ["claimed"])
    assert tandem.linked(customer).rule == "email"
    assert found["metadata"] == {"togai_account_id": "acme", "togai_customer_id": "c-acme"}
    assert tandem.runs(tandem.ref("acme", "togai"), "created")[-1].state == "succeeded"
