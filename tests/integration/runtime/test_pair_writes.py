"""Two workers that look at one pair from its two sides: the log decides who writes; what was begun is remembered."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from shared.errors import NotReady, Unsettled
from shared.events.topics import Topics
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.linking.mappings import Mapping
from shared.linking.pair_writes import FIGHT_WRITES, PairWrites
from shared.linking.pairs import Difference, Known, Side
from shared.runtime.registry import Registry
from shared.settings import Settings

PAIR = Mapping(
    relation="customer",
    id="map_1",
    state="linked",
    source="togai:test:o/account/a",
    target="stripe:test:s/customer/c",
    at="",
    run="r",
)
NAME: dict[Side, dict[str, str]] = {"stripe": {"name": "d1"}, "togai": {}}
DIFFERENT = Difference(
    owner="togai", values={"togai": '"a"', "stripe": '"b"'}, reason="why", since="2026-11-24T00:00:00.000Z"
)


class Worker:
    """One worker's writes to pairs, with a clock that the test moves."""

    def __init__(self, writes: PairWrites) -> None:
        self.writes = writes

    async def commit(self, side: Side, seen: Known, *, run: str = "run_1", **more: Any) -> None:
        given: dict[str, Any] = {"agreed": {}, "differences": {}, "written": False} | more
        await self.writes.commit(PAIR, side, run, seen=seen, **given)


@asynccontextmanager
async def worker(settings: Settings, clock: list[float]) -> AsyncIterator[Worker]:
    registry, topics = Registry(), Topics(settings)
    async with Log(settings) as log, Replica(settings, registry.folds(topics)) as replica:
        await replica.wait_ready()
        yield Worker(PairWrites(log, replica, registry.pair_states, topics, settings, lambda: clock[0]))


@pytest.fixture
def clock() -> list[float]:
    return [time.time()]


@pytest.fixture
async def two(settings: Settings, clock: list[float]) -> AsyncIterator[tuple[Worker, Worker]]:
    async with worker(settings, clock) as one, worker(settings, clock) as other:
        yield one, other


async def test_who_looked_before_the_other_wrote_looks_again(two: tuple[Worker, Worker]) -> None:
    """Both decided on the same state: the first announcement wins, the second is taken back before anything is sent."""
    one, other = two
    seen = one.writes.known(PAIR, "togai")
    await one.writes.begin(PAIR, "togai", "run_1", NAME, seen)
    with pytest.raises(NotReady, match="meanwhile"):
        await other.writes.begin(PAIR, "stripe", "run_2", NAME, Known())

    await one.commit("togai", seen, agreed={"name": "d1"}, written=True)
    known = one.writes.known(PAIR, "togai")
    assert known.agreed == {"name": "d1"}
    assert known.open == ()
    assert len(known.writes) == 1


async def test_an_announced_write_keeps_the_other_side_waiting_for_its_lease(
    two: tuple[Worker, Worker], clock: list[float], settings: Settings
) -> None:
    """A worker that died in the middle blocks nobody for longer; what it began stays known."""
    one, other = two
    await one.writes.begin(PAIR, "togai", "run_1", NAME, one.writes.known(PAIR, "togai"))

    async def known_to_other() -> Known:
        # The other's replica follows by itself: its own append brings it up to here.
        with pytest.raises(NotReady):
            await other.writes.begin(PAIR, "stripe", "run_2", NAME, Known())
        return other.writes.known(PAIR, "stripe")

    with pytest.raises(NotReady, match="is writing this pair"):
        await known_to_other()
    clock[0] += 2 * settings.call_timeout + 1
    later = other.writes.known(PAIR, "stripe")
    assert [(write.run, dict(write.fields)) for write in later.open] == [("run_1", {"name": "d1"})]


async def test_a_write_whose_end_nobody_saw_stays_known(two: tuple[Worker, Worker], clock: list[float]) -> None:
    """After a time-out the run writes something else, and that is answered: the first call may land all the same."""
    one, _ = two
    first, second = NAME, NAME | {"stripe": {"name": "d2"}}
    for fields in (first, first, second):
        clock[0] += 1
        await one.writes.begin(PAIR, "togai", "run_1", fields, one.writes.known(PAIR, "togai"))
    await one.commit("togai", one.writes.known(PAIR, "togai"), agreed={"name": "d2"}, written=True)
    await one.writes.begin(PAIR, "togai", "run_2", second, one.writes.known(PAIR, "togai"))

    opened = [(write.run, write.fields["name"]) for write in one.writes.known(PAIR, "togai").open]
    assert opened == [("run_1", "d1"), ("run_2", "d2")]
    clock[0] += 601
    await one.commit("togai", one.writes.known(PAIR, "togai"), run="run_2", agreed={"name": "d3"}, written=True)
    assert one.writes.known(PAIR, "togai").open == ()


async def test_a_refused_write_lands_no_more(two: tuple[Worker, Worker], clock: list[float]) -> None:
    """Only what was announced last is taken back: an earlier try that timed out may still land."""
    one, _ = two
    for name in ("d1", "d2"):
        clock[0] += 1
        fields: dict[Side, dict[str, str]] = {"stripe": {"name": name}, "togai": {"phone": name}}
        await one.writes.begin(PAIR, "togai", "run_1", fields, one.writes.known(PAIR, "togai"))
    await one.writes.withdraw(PAIR, "togai", "run_1")

    opened = [(write.to, dict(write.fields)) for write in one.writes.known(PAIR, "togai").open]
    assert opened == [("stripe", {"name": "d1"}), ("togai", {"phone": "d1"})]


async def test_a_pair_that_is_written_again_and_again_is_stopped(
    two: tuple[Worker, Worker], clock: list[float]
) -> None:
    """Five writes within ten minutes from both sides together are parked, and go on when the window is past."""
    one, other = two
    sides: tuple[tuple[Worker, Side], ...] = ((one, "togai"), (other, "stripe"))
    for number in range(FIGHT_WRITES):
        by, side = sides[number % 2]
        await by.commit(
            side, await recent_writes(by, side), run=f"run_{number}", agreed={"name": str(number)}, written=True
        )
    with pytest.raises(Unsettled, match="5 times"):
        await one.writes.begin(PAIR, "togai", "run_x", NAME, await recent_writes(one, "togai"))

    clock[0] += 601
    await one.writes.begin(PAIR, "togai", "run_x", NAME, await recent_writes(one, "togai"))


async def recent_writes(by: Worker, side: Side) -> Known:
    """What a worker knows once its replica has come up to the log."""
    while True:
        try:
            known = by.writes.known(PAIR, side)
            await by.commit(side, known, agreed=known.agreed | {"-": str(time.time())}, run="catch up")
            return by.writes.known(PAIR, side)
        except NotReady:
            continue


async def test_differences_are_those_of_the_newer_look_and_unchanged_ones_are_not_written_again(
    two: tuple[Worker, Worker],
) -> None:
    """A comparison that finds what is known writes nothing to the log."""
    one, _ = two
    await one.commit("togai", Known(), agreed={"name": "d1"}, differences={"name": DIFFERENT})
    known = one.writes.known(PAIR, "togai")
    assert known.differences == {"name": DIFFERENT}

    await one.commit("togai", known, agreed={"name": "d1"}, differences={"name": DIFFERENT})
    assert one.writes.known(PAIR, "togai").records["togai"] is known.records["togai"]
    await one.commit("togai", known, agreed={"name": "d2"})
    assert one.writes.known(PAIR, "togai").differences == {}


async def test_what_was_agreed_last_holds_whatever_is_announced_and_taken_back_after_it(
    two: tuple[Worker, Worker],
) -> None:
    """Such a record tells again what its own side agreed on long ago: a person's change would be taken for old."""
    one, other = two
    await one.commit("togai", Known(), agreed={"name": "d1"}, differences={"name": DIFFERENT})
    await other.commit("stripe", await recent_writes(other, "stripe"), agreed={"name": "d2"})

    seen = await recent_writes(one, "togai")
    await other.commit("stripe", await recent_writes(other, "stripe"), agreed={"name": "d3"})
    with pytest.raises(NotReady, match="meanwhile"):
        await one.writes.begin(PAIR, "togai", "run_1", NAME, seen)
    with pytest.raises(NotReady, match="meanwhile"):
        await one.commit("togai", seen, agreed={"name": "d1"}, differences={"name": DIFFERENT})
    known = one.writes.known(PAIR, "togai")
    assert (known.agreed["name"], known.differences) == ("d3", {})

    await one.writes.begin(PAIR, "togai", "run_2", NAME, known)
    assert one.writes.known(PAIR, "togai").agreed["name"] == "d3"
    await one.writes.withdraw(PAIR, "togai", "run_2")
    assert one.writes.known(PAIR, "togai").agreed["name"] == "d3"


async def test_what_was_known_of_a_former_link_says_nothing_of_the_present_one(two: tuple[Worker, Worker]) -> None:
    """The same account with another customer begins with an empty state."""
    one, _ = two
    await one.writes.created(PAIR, "togai", {"name": "d1"})
    relinked = Mapping(
        relation="customer",
        id=PAIR.id,
        state="linked",
        source=PAIR.source,
        target="stripe:test:s/customer/d",
        at="",
        run="r",
    )

    assert one.writes.known(PAIR, "togai").agreed == {"name": "d1"}
    assert one.writes.known(relinked, "togai") == Known()
