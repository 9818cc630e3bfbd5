"""The made-up app and domain in real processes: what they do together, and that no death loses or doubles anything.

No crash point is listed here: a recorded act finds them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.made_up.household import CUSTOMER_WORKER, ENTRY_WORKER, INGRESS, Household
from tests.made_up.vendor import Vendor
from tests.reliability.crash.points import one_of_each_kind
from tests.reliability.crash.tandem import open_sandbox
from tests.stack.points import Point

RECORDINGS = 2
HANDS_OVER, NOTES = "send customer.events", "call PUT"
"""What the gate dies at, by the kinds of points: between two services, and at the vendor."""
LONG = pytest.mark.long("the gate keeps the deaths at a hand-over and at the vendor")


@pytest.fixture(scope="module")
def household(kafka_bootstrap: str, vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """Everything, with a book of its own."""
    home = tmp_path_factory.mktemp("household")
    sandbox = asyncio.run(open_sandbox(home / "vendors", kafka_bootstrap))
    made = Household.beside(sandbox, home / "tandem", "")
    assert isinstance(made, Household)
    asyncio.run(made.open(vendor.open_book(), vendor.url))
    yield made
    asyncio.run(made.close())
    asyncio.run(sandbox.stop())


async def test_an_entry_goes_through_two_services_and_is_seen_in_the_console(household: Household) -> None:
    """A webhook, a step in another service, a call, a link: and the console's tables know the app and the domain."""
    entry, account = await household.act()
    await household.rest(entry, account)
    [run] = (await household.api("/runs", id=entry))["items"]
    whole = await household.api(f"/runs/{run['id']}")
    [mapping] = (await household.api("/mappings", id=entry))["items"]
    connected = {item["id"]: item["app_account"] for item in (await household.api("/connections"))["items"]}

    assert (run["event_type"], run["state"]) == ("ledger.entry.made", "succeeded")
    assert [step["id"] for step in whole["steps"]] == ["check", "account", "note"]
    assert mapping["source"].endswith(f"/entry/{entry}")
    assert mapping["target"].endswith(f"/account/{account}")
    assert connected["led"] == f"ledger:test:{household.book.name}"


async def test_an_entry_that_no_webhook_brings_is_polled(household: Household) -> None:
    """By the engine, with the poller of the app."""
    entry, account = await household.act(webhook=False)
    await household.rest(entry, account)

    assert len((await household.api("/runs", id=entry))["items"]) == 1


async def points_of(household: Household, process: str) -> list[Point]:
    """Where a process can die: one of each kind of what it does in every act."""
    recordings: list[set[Point]] = []
    for _ in range(RECORDINGS):
        household.plan()
        await household.rest(*await household.act())
        recordings.append(household.passed(process))
    return one_of_each_kind(sorted(set.intersection(*recordings)))


@pytest.mark.parametrize(
    ("process", "kinds"),
    [
        pytest.param(ENTRY_WORKER, (HANDS_OVER, NOTES), id="entry-sync at its hand-over and at the vendor"),
        pytest.param(ENTRY_WORKER, (), id="entry-sync", marks=LONG),
        pytest.param(CUSTOMER_WORKER, (), id="customer-sync", marks=LONG),
        pytest.param(INGRESS, (), id="ingress", marks=LONG),
    ],
)
async def test_death_at_any_point_changes_nothing(
    household: Household, process: str, kinds: tuple[str, ...], subtests: pytest.Subtests
) -> None:
    """The next life finishes: one run, one link, the note; and nothing stays open."""
    points = [p for p in await points_of(household, process) if not kinds or p.kind.startswith(kinds)]

    assert {p.phase for p in points} == {"before", "after"}
    for point in points:
        with subtests.test(msg=str(point)):
            household.plan(process, point)
            acts = [await household.act()]
            met = await household.died(process)
            household.plan()
            if met:
                household.start_again(process)
                await household.ready(process)
            acts.append(await household.act())
            for entry, account in acts:
                await household.rest(entry, account)
                assert len((await household.api("/runs", id=entry))["items"]) == 1
            assert met
