"""The pool: one aggregate at a time, contiguous acknowledgement, bounded read-ahead, delays, drains."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable

import pytest
from shared.errors import StopWorker, Unavailable
from shared.ratelimit import Lane, WorkPriority
from shared.runtime.known import Known
from shared.runtime.pool import Bounds, Partition, Pool, Work, contiguous, same_numbers

EVENTS: Partition = ("customer.events", 0)
DELAY: Partition = ("customer.delay.1m", 0)


class Harness:
    """A pool with a handler that can be held back, and a record of everything that it did."""

    def __init__(self, bounds: Bounds = Bounds()) -> None:  # noqa: B008
        self.acked: list[tuple[Partition, int]] = []
        self.began: list[int] = []
        self.handling: list[Work] = []
        self.handled: list[Work] = []
        self.running: dict[str, int] = defaultdict(int)
        self.gates: dict[str, asyncio.Event] = {}
        self.paused: set[Partition] = set()
        self.fatal: list[BaseException] = []
        self.reported: list[str] = []
        self.on_its_way: Exception | None = None
        self.now = 1000.0
        self.beside_live = False
        self.offsets: dict[Partition, int] = defaultdict(int)
        self.open: set[str] = set()
        self.held: list[Work] = []
        self.pool = Pool(
            self.handle,
            pause=self.paused.add,
            resume=self.paused.discard,
            on_fatal=self.fatal.append,
            flush=self.reach,
            bounds=bounds,
            is_open=lambda connection: connection in self.open,
            on_held=self.held.append,
            beside_live=lambda: self.beside_live,
            clock=lambda: self.now,
        )

    async def handle(self, work: Work) -> None:
        self.running[work.aggregate] += 1
        assert self.running[work.aggregate] == 1, "one aggregate, one at a time"
        self.began.append(work.offset)
        self.handling.append(work)
        try:
            if gate := self.gates.get(work.aggregate):
                await gate.wait()
        except asyncio.CancelledError:
            self.reported.append(f"cut {work.aggregate}")
            raise
        await asyncio.sleep(0)
        self.handled.append(work)
        self.running[work.aggregate] -= 1

    async def reach(self) -> None:
        if self.on_its_way:
            raise self.on_its_way
        self.reported.append("settled")

    def submit(
        self,
        aggregate: str,
        *,
        partition: Partition = EVENTS,
        due: float = 0.0,
        kind: str = "",
        lane: Lane = "live",
        checked_at: float = 0.0,
        closed: str = "",
        blocked: str = "",
        cancelled: str = "",
        quiet: bool = False,
    ) -> Work:
        offset = self.offsets[partition]
        self.offsets[partition] += 1
        work = Work(
            partition, offset, aggregate, kind, b"x", b"p" if checked_at else None,
            lambda: self.acked.append((partition, offset)), foldable=bool(kind), due=due, checked_at=checked_at,
            known=Known.UNCHANGED if checked_at else Known.PRESENT,
            lane=WorkPriority(lane), closed=closed, blocked=blocked, cancelled=cancelled, quiet=quiet,
        )  # fmt: skip
        self.pool.submit(work)
        return work


async def reach(until: Callable[[], bool]) -> None:
    """Let the loop turn until it holds."""
    async with asyncio.timeout(5):
        while not until():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_only_the_contiguous_prefix_is_acknowledged() -> None:
    """A slow entity at the head holds back acknowledgements, not work."""
    harness = Harness()
    harness.gates["slow"] = asyncio.Event()
    harness.submit("slow")
    for n in range(5):
        harness.submit(f"quick{n}")
    await reach(lambda: len(harness.handled) == 5)
    assert harness.acked == []

    harness.gates["slow"].set()
    await reach(lambda: len(harness.acked) == 6)

    assert harness.acked == [(EVENTS, n) for n in range(6)]


async def test_one_aggregate_over_two_topics_is_one_queue() -> None:
    """Live and parked work on an entity never overlap."""
    harness = Harness()
    harness.gates["a"] = asyncio.Event()
    harness.submit("a")
    harness.submit("a", partition=DELAY)
    await reach(lambda: harness.began == [0])

    harness.gates["a"].set()
    await reach(lambda: len(harness.handled) == 2)

    assert [w.partition for w in harness.handled] == [EVENTS, DELAY]


async def test_a_full_partition_is_paused_and_resumed() -> None:
    """Read-ahead is bounded per partition; another partition goes on."""
    harness = Harness(Bounds(per_partition=4))
    harness.gates["a"] = asyncio.Event()
    for _ in range(4):
        harness.submit("a")
    assert harness.paused == {EVENTS}

    harness.gates["a"].set()
    await reach(lambda: len(harness.handled) == 4)

    assert harness.paused == set()


async def test_events_beyond_the_bound_fold_into_the_last() -> None:
    """The last one looks again for all of them, and they are acknowledged only with it."""
    harness = Harness(Bounds(per_aggregate=2))
    harness.gates["a"] = asyncio.Event()
    works = [harness.submit("a", kind="created") for _ in range(6)]
    await reach(lambda: harness.began == [0])

    harness.gates["a"].set()
    await reach(lambda: len(harness.acked) == 6)

    last = harness.handled[-1]
    assert last is works[5]
    assert last.known is Known.CHANGED
    folded = {w.offset for handled in harness.handled for w in handled.folded}
    assert folded | {w.offset for w in harness.handled} == set(range(6))
    assert len(harness.handled) <= 4


async def test_replayed_work_before_a_live_event_counts_as_live() -> None:
    """What stands before a live event of its aggregate, running or waiting, must not hold it up."""
    harness = Harness()
    harness.gates["a"] = harness.gates["b"] = asyncio.Event()
    ahead = [harness.submit(name, lane="replay") for name in ("a", "a", "b")]
    harness.submit("b", lane="replay")
    harness.submit("a")

    assert [work.lane.lane for work in ahead] == ["live", "live", "replay"]
    harness.gates["a"].set()
    await reach(lambda: len(harness.acked) == 5)


async def test_events_of_different_kinds_do_not_fold() -> None:
    """A create is not lost in an update."""
    harness = Harness(Bounds(per_aggregate=1))
    harness.gates["a"] = asyncio.Event()
    for kind in ("created", "updated", "deleted", "updated"):
        harness.submit("a", kind=kind)

    harness.gates["a"].set()
    await reach(lambda: len(harness.acked) == 4)

    assert [w.kind for w in harness.handled] == ["created", "deleted", "updated"]


async def test_held_work_waits_until_it_is_due() -> None:
    """A parked run that is due later does not run now, and blocks nobody."""
    harness = Harness()
    harness.submit("a", partition=DELAY, due=harness.now + 0.05)
    harness.submit("b", partition=DELAY, due=harness.now + 3600)
    await reach(lambda: [w.aggregate for w in harness.handled] == ["a"])

    assert harness.acked == [(DELAY, 0)]


async def test_an_event_of_the_same_aggregate_wakes_held_work() -> None:
    """The run that waited for an address goes on when the update comes, after it."""
    harness = Harness()
    harness.submit("a", partition=DELAY, due=harness.now + 3600)
    harness.submit("a")

    await reach(lambda: len(harness.handled) == 2)

    assert [w.partition for w in harness.handled] == [EVENTS, DELAY]


async def test_a_drain_finishes_what_runs_and_forgets_the_rest() -> None:
    """At a revocation the next owner does what was not begun."""
    harness = Harness()
    harness.gates["a"] = asyncio.Event()
    for _ in range(3):
        harness.submit("a")
    await reach(lambda: harness.began == [0])
    draining = asyncio.create_task(harness.pool.drain(5))
    await asyncio.sleep(0)
    harness.submit("late")
    harness.gates["a"].set()
    await draining

    assert harness.began == [0]
    assert harness.acked == [(EVENTS, 0)]


async def test_a_drain_does_not_wait_for_ever() -> None:
    """A hanging call is cut, and its event is not acknowledged."""
    harness = Harness()
    harness.gates["a"] = asyncio.Event()
    harness.submit("a")
    await reach(lambda: harness.began == [0])

    await harness.pool.drain(0.01)

    assert harness.acked == []
    assert harness.fatal == []


async def test_a_drain_that_cuts_waits_for_what_is_on_its_way() -> None:
    """A record of the cut work must not come after those of the next owner."""
    harness = Harness()
    harness.gates["a"] = asyncio.Event()
    harness.submit("a")
    await reach(lambda: harness.began == [0])

    await harness.pool.drain(0.01)

    assert harness.reported == ["cut a", "settled"]
    assert harness.fatal == []


async def test_a_drain_stops_the_worker_if_something_stays_on_its_way() -> None:
    """Only the end of the process keeps it from coming late."""
    harness = Harness()
    harness.on_its_way = Unavailable("no answer")
    harness.gates["a"] = asyncio.Event()
    harness.submit("a")
    await reach(lambda: harness.began == [0])

    await harness.pool.drain(0.01)

    assert [str(error) for error in harness.fatal] == ["no answer"]


async def test_what_the_handler_raises_stops_the_worker() -> None:
    """And the event is not acknowledged."""
    harness = Harness()

    async def fail(work: Work) -> None:
        raise StopWorker("no Kafka")

    harness.pool._handle = fail
    harness.submit("a")
    await reach(lambda: bool(harness.fatal))

    assert harness.acked == []
    assert isinstance(harness.fatal[0], StopWorker)


@pytest.mark.parametrize("seed", range(10))
async def test_any_interleaving_keeps_the_two_laws(seed: int) -> None:
    """Per aggregate in order, acknowledged in order, all of it, whatever takes how long."""
    chance = random.Random(seed)
    harness = Harness(Bounds(per_partition=1000, per_aggregate=1000))

    async def handle(work: Work) -> None:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        harness.handled.append(work)

    harness.pool._handle = handle
    partitions: list[Partition] = [("customer.events", n) for n in range(3)]
    for _ in range(300):
        number = chance.randrange(3)
        harness.submit(f"{number}-{chance.randrange(7)}", partition=partitions[number])
    await reach(lambda: len(harness.acked) == 300)

    for partition in partitions:
        offsets = [offset for p, offset in harness.acked if p == partition]
        assert offsets == sorted(offsets)
    by_aggregate: dict[str, list[int]] = defaultdict(list)
    for work in harness.handled:
        by_aggregate[work.aggregate].append(work.offset)
    assert all(offsets == sorted(offsets) for offsets in by_aggregate.values())


def test_a_hole_in_the_offsets_is_seen() -> None:
    """Faust has skipped records before: the worker must notice."""
    assert contiguous(None, 7)
    assert contiguous(6, 7)
    assert not contiguous(5, 7)


def test_co_partitioning_is_checked() -> None:
    """Live, replayed and delayed work on one key must meet in one worker."""
    assert same_numbers([("a", 0), ("b", 0), ("a", 3), ("b", 3)], ["a", "b"])
    assert not same_numbers([("a", 0), ("b", 1)], ["a", "b"])
    assert same_numbers([], ["a", "b"])


async def test_news_that_came_before_a_run_was_held_wake_it() -> None:
    """It looked at 1000; an event came at 1001, before its parked record was read: it looks at once, not tomorrow."""
    harness = Harness()
    harness.now = 1001.0
    harness.submit("a")
    await reach(lambda: len(harness.handled) == 1)
    parked = harness.submit("a", partition=DELAY, due=2000.0, checked_at=1000.0)
    await reach(lambda: len(harness.handled) == 2)

    assert parked.known is Known.CHANGED


async def test_news_from_before_the_look_wake_nobody() -> None:
    """What came before a run looked was seen by it."""
    harness = Harness()
    harness.submit("a")
    await reach(lambda: len(harness.handled) == 1)
    parked = harness.submit("a", partition=DELAY, due=2000.0, checked_at=1000.5)

    assert parked.known is Known.UNCHANGED
    assert harness.handled != [parked]


@pytest.mark.parametrize("due", [1000.02, 999.5], ids=["due soon", "due before it was read"])
async def test_a_run_that_looked_before_the_assignment_looks_again_when_it_is_due(due: float) -> None:
    """Another worker may have got the news, and nobody wakes it any more; or may even have ended it."""
    harness = Harness()
    checked_before = harness.submit("a", partition=DELAY, due=due, checked_at=999.0)
    checked_after = harness.submit("b", partition=DELAY, due=due, checked_at=1000.0)
    await asyncio.wait_for(_until(lambda: len(harness.handled) == 2), 5)

    assert (checked_before.known, checked_after.known) == (Known.CHANGED, Known.UNCHANGED)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def test_an_opened_connection_wakes_what_waited_for_it() -> None:
    """Not what waits for another one or for its time; what is read afterwards is not held at all."""
    harness = Harness()
    due = harness.now + 3600
    mended = harness.submit("a", partition=DELAY, due=due, closed="con_a")
    same = harness.submit("b", partition=DELAY, due=due, closed="con_a")
    harness.submit("b", partition=DELAY, due=due, closed="con_b")
    harness.submit("c", partition=DELAY, due=due)
    harness.open.add("con_a")
    harness.pool.opened("con_a")
    await reach(lambda: len(harness.handled) == 2)
    late = harness.submit("d", partition=DELAY, due=due, closed="con_a")
    await reach(lambda: len(harness.handled) == 3)

    assert harness.handled == [mended, same, late]
    assert harness.acked == [(DELAY, 0), (DELAY, 1)]
    await harness.pool.drain(0)


async def test_a_changed_connection_wakes_what_it_blocked() -> None:
    """That it is open says nothing: what is blocked is held until the connection changes, or its time comes."""
    harness = Harness()
    harness.open.add("con_a")
    due = harness.now + 3600
    blocked = harness.submit("a", partition=DELAY, due=due, blocked="con_a")
    harness.submit("b", partition=DELAY, due=due, blocked="con_b")
    await asyncio.sleep(0.02)
    assert harness.handled == []
    harness.pool.opened("con_a")
    await reach(lambda: len(harness.handled) == 1)

    assert harness.handled == [blocked]
    await harness.pool.drain(0)
