"""What a flow link missed while it was off stays missed until a run has handled it: what only looks handles nothing."""

from __future__ import annotations

from shared.identity import Ref

from tests.integration.customers import test_import_console as imports
from tests.integration.customers import test_replays as replays
from tests.integration.customers.test_first_contact import TO_TOGAI
from tests.stack.console import Console, succeeded
from tests.stack.in_process import InProcess

CHANGES = "stripe-customer-changes"


async def missed(console: Console) -> list[int]:
    """Entities of which the two flow links missed something, as the console counts them."""
    shown = (await succeeded(console, "GET", "/api/flow-links"))["items"]
    return [int(each["missed"]) for link in (CHANGES, TO_TOGAI) for each in shown if each["id"] == link]


async def switched(console: Console, how: str) -> None:
    for link in (CHANGES, TO_TOGAI):
        await succeeded(console, "POST", f"/api/flow-links/{link}/{how}")


async def test_what_only_looks_ends_nothing_that_was_missed(tandem: InProcess, console: Console) -> None:
    """Dry runs, a cancelled replay and an import that leaves twins out; the change reaches Togai for all that."""
    customer = tandem.customer(email="one@x.test", name="Before")
    await tandem.drain()
    await switched(console, "disable")
    tandem.change(customer, name="After")
    twins = [tandem.customer(email="twin@x.test") for _ in range(2)]
    await tandem.drain()
    counts = [await missed(console)]
    await replays.asked(tandem, console, flow_link=CHANGES, dry_run=True)
    await imports.asked(tandem, console, ids=twins, dry_run=True)
    counts.append(await missed(console))

    await switched(console, "enable")
    asked = await succeeded(console, "POST", "/api/replays", json={"flow_link": CHANGES})
    await replays.run_replays(tandem, handle=False)
    await succeeded(console, "POST", f"/api/replays/{asked['id']}/cancel")
    await tandem.work_off()
    left = await imports.asked(tandem, console, ids=twins)
    counts.append(await missed(console))

    for link in (CHANGES, TO_TOGAI):
        await succeeded(console, "POST", f"/api/flow-links/{link}/catch-up")
    await tandem.work_off()

    assert counts == [[1, 2]] * 3
    assert left["left_out"] == 2
    account = Ref.parse(tandem.linked(customer).target).id
    assert tandem.call("togai", "GET", f"/accounts/{account}")["name"] == "After"
    assert await missed(console) == [0, 0]
