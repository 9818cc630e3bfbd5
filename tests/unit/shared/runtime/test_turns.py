"""Live events begin at once; of what goes behind them so many are worked on at a time."""

from __future__ import annotations

import asyncio

import pytest
from shared.ratelimit import CallGate, Lane, present_lane
from shared.runtime.pool import Bounds, Partition, Work
from shared.settings import Settings

from tests.unit.shared.runtime.test_pool import Harness, reach

REPLAY: Partition = ("customer.replay", 0)
NOW: Partition = ("customer.events", 0)


class Calling(Harness):
    """Each piece of work is one call to a vendor, which lasts until it is let."""

    async def handle(self, work: Work) -> None:
        present_lane.set(work.lane)
        async with CallGate(Settings(_env_file=None, stripe_quota=0)).call("stripe:test:acct_1"):
            await super().handle(work)


class Backlog:
    """A pool that works on two at a time of what is no live event; each goes on when it is let."""

    def __init__(self, count: int, lane: Lane = "backfill", harness: Harness | None = None) -> None:
        self.harness = harness or Harness(Bounds(behind=2))
        self.add(count, lane)

    @classmethod
    def beside_live(cls, count: int, bounds: Bounds, harness: type[Harness] = Harness) -> Backlog:
        """The same, while live events come."""
        made = harness(bounds)
        made.beside_live = True
        return cls(count, harness=made)

    def add(self, count: int, lane: Lane = "backfill") -> None:
        for _ in range(count):
            number = self.harness.offsets[REPLAY]
            self.harness.gates[f"e{number}"] = asyncio.Event()
            self.harness.submit(f"e{number}", partition=REPLAY, lane=lane)

    async def let(self, *numbers: int) -> None:
        """Let these end, and all go on that can."""
        for number in numbers:
            self.harness.gates[f"e{number}"].set()
        await self.go_on()

    async def go_on(self) -> list[int]:
        """What was begun, in this order."""
        for _ in range(20):
            await asyncio.sleep(0)
        return self.harness.began


async def test_two_at_a_time_in_their_order() -> None:
    """The next one begins when one has ended."""
    backlog = Backlog(5)
    first = list(await backlog.go_on())
    await backlog.let(1)
    second = list(await backlog.go_on())
    await backlog.let(0, 2, 3, 4)
    await reach(lambda: len(backlog.harness.handled) == 5)

    assert (first, second) == ([0, 1], [0, 1, 2])
    assert backlog.harness.acked == [(REPLAY, number) for number in range(5)]


async def test_work_that_is_at_no_vendor_is_less_at_a_time() -> None:
    """It waits for leave to call or for the processor: more of it would only be in the way of live events."""
    backlog = Backlog.beside_live(6, Bounds(behind=4, in_hand=2))
    first = list(await backlog.go_on())
    await backlog.let(0)

    assert (first, backlog.harness.began) == ([0, 1], [0, 1, 2])


async def test_where_nothing_live_comes_work_is_as_much_at_a_time_wherever_it_is() -> None:
    """Nobody feels it, and the import is quicker."""
    backlog = Backlog.beside_live(6, Bounds(behind=4, in_hand=2))
    first = list(await backlog.go_on())
    backlog.harness.beside_live = False
    await backlog.let(0)

    assert (first, backlog.harness.began) == ([0, 1], [0, 1, 2, 3, 4])


async def test_work_that_is_at_a_vendor_leaves_its_place_to_other() -> None:
    """A vendor that is slow to answer would grant more calls than two at a time make."""
    backlog = Backlog.beside_live(6, Bounds(behind=4, in_hand=2), Calling)
    first = list(await backlog.go_on())
    await backlog.let(0, 3)

    assert (first, backlog.harness.began) == ([0, 1, 2, 3], [0, 1, 2, 3, 4, 5])


async def test_work_that_comes_back_from_a_vendor_is_in_hand_again() -> None:
    """Though that is one too many then: the next one begins when two of them have gone."""
    backlog = Backlog.beside_live(4, Bounds(behind=4, in_hand=1))
    await backlog.go_on()
    with backlog.harness.handling[0].lane.calling():
        beside = list(await backlog.go_on())
    await backlog.let(1)
    after = list(backlog.harness.began)
    await backlog.let(0)

    assert (beside, after, backlog.harness.began) == ([0, 1], [0, 1], [0, 1, 2])


async def test_a_live_event_begins_at_once() -> None:
    """However much waits for its turn."""
    backlog = Backlog(50)
    await backlog.go_on()
    backlog.harness.submit("now")
    await reach(lambda: [work.aggregate for work in backlog.harness.handled] == ["now"])


async def test_what_a_live_event_waits_for_has_its_turn_at_once() -> None:
    """The one event of an import that its entity's live event waits for; the others go on waiting."""
    backlog = Backlog(10)
    await backlog.go_on()
    backlog.harness.submit("e7")
    began = await backlog.go_on()

    assert began == [0, 1, 7]


async def test_a_replay_goes_before_an_import() -> None:
    """A person repairs something: that does not wait behind thousands."""
    backlog = Backlog(6)
    backlog.add(1, "replay")
    await backlog.let(0)

    assert backlog.harness.began == [0, 1, 6]


@pytest.mark.parametrize("seconds", [5, 0.01])
async def test_a_drain_forgets_what_waits_for_its_turn(seconds: float) -> None:
    """It was not begun: another worker does it. What runs is finished, or cut; the next assignment has all places."""
    backlog = Backlog(6)
    await backlog.go_on()
    draining = asyncio.create_task(backlog.harness.pool.drain(seconds))
    await backlog.let(*([0, 1] if seconds > 1 else []))
    await draining
    backlog.harness.pool.restart()
    backlog.harness.gates.clear()
    backlog.harness.running.clear()
    backlog.add(3)
    await backlog.let(6, 7, 8)
    await reach(lambda: {6, 7, 8} <= {work.offset for work in backlog.harness.handled})

    assert backlog.harness.began == [0, 1, 6, 7, 8]
    assert backlog.harness.fatal == []


async def test_a_place_is_free_again_after_work_that_was_cut() -> None:
    """Whether it had begun, or waited with its turn just given."""
    backlog = Backlog(4)
    await backlog.go_on()
    tasks = list(backlog.harness.pool._tasks.values())
    tasks[0].cancel()
    tasks[2].cancel()
    began = await backlog.go_on()

    assert began == [0, 1, 3]


async def test_less_is_read_ahead_of_an_import() -> None:
    """Each thing read takes its time, and a live event waits for it."""
    harness = Harness(Bounds(per_partition=4, of_replay=2))
    for partition in (NOW, REPLAY):
        for number in range(2):
            harness.gates[f"{partition}{number}"] = asyncio.Event()
            harness.submit(f"{partition}{number}", partition=partition)

    assert harness.paused == {REPLAY}
