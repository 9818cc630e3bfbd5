"""A worker that dies between two writes of one change leaves the other one to the next."""

from __future__ import annotations

from tests.stack.in_process import InProcess
from tests.stack.points import Died, Point


async def test_who_dies_between_account_and_customer_changes_both(tandem: InProcess) -> None:
    """The account's name follows its customer's, also where only one of them was written."""
    customer = tandem.customer(name="Globex")
    await tandem.drain()
    tandem.change(customer, name="Globex Ltd")
    deaths = 0

    def die(point: Point) -> None:
        nonlocal deaths
        if point.label.endswith(".patch") and point.phase == "after" and not deaths:
            deaths += 1
            raise Died

    tandem.points.at = die
    try:
        await tandem.drain()
    except Died:
        tandem.points.revive()
        await tandem.restart()
    await tandem.drain()
    shown = tandem.togai(f"acc_{customer}")

    assert (deaths, shown["name"], shown["customer"]["name"]) == (1, "Globex Ltd", "Globex Ltd")
