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


class Bench:
    """A pool with a handler that can be held back, and a record of everything that it did."""

    def __init__(self, bounds: Bounds = Bounds()) -> None:  # noqa: B008
        self.acked: list[tuple[Partition, int]] = []
        self.began: list[int] = []
        self.handled: list[Work] = []
        self.running: dict[str, int] = defaultdict(int)
        self.gates: dict[str, asyncio.Event] = {}
        self.paused: set[Partition] = set()
        self.fatal: list[BaseException] = []
        self.told: list[str] = []
        self.on_its_way: Exception | None = None
        self.now = 1000.0
        self.offsets: dict[Partition, int] = defaultdict(int)
        self.open: set[str] = set()
        self.pool = Pool(
            self.handle,
            pause=self.paused.add,
            resume=self.paused.discard,
            on_fatal=self.fatal.append,
            flush=self.settle,
            bounds=bounds,
            is_open=lambda connection: connection in self.open,
            clock=lambda: self.now,
        )

    async def handle(self, work: Work) -> None:
        self.running[work.aggregate] += 1
        assert self.running[work.aggregate] == 1, "one aggregate, one at a time"
        self.began.append(work.offset)
        try:
            if gate := self.gates.get(work.aggregate):
                await gate.wait()
        except asyncio.CancelledError:
            self.told.append(f"cut {work.aggregate}")
            raise
        await asyncio.sleep(0)
        self.handled.append(work)
        self.running[work.aggregate] -= 1

    async def settle(self) -> None:
        if self.on_its_way:
            raise self.on_its_way
        self.told.append("settled")

    def submit(
        self,
        aggregate: str,
        *,
        partition: Partition = EVENTS,
        due: float = 0.0,
        kind: str = "",
        lane: Lane = "live",
        looked_at: float = 0.0,
        closed: str = "",
        blocked: str = "",
    ) -> Work:
        offset = self.offsets[partition]
        self.offsets[partition] += 1
        work = Work(
            partition, offset, aggregate, kind, b"x", b"p" if looked_at else None,
            lambda: self.acked.append((partition, offset)), foldable=bool(kind), due=due, looked_at=looked_at,
            known=Known.UNCHANGED if looked_at else Known.PRESENT,
            lane=WorkPriority(lane), closed=closed, blocked=blocked,
        )  # fmt: skip
        self.pool.submit(work)
        return work


async def settle(until: Callable[[], bool]) -> None:
    """Let the loop turn until it holds."""
    async with asyncio.timeout(5):
        while not until():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_only_the_contiguous_prefix_is_acknowledged() -> None:
    """A slow entity at the head holds back acknowledgements, not work."""
    bench = Bench()
    bench.gates["slow"] = asyncio.Event()
    bench.submit("slow")
    for n in range(5):
        bench.submit(f"quick{n}")
    await settle(lambda: len(bench.handled) == 5)
    assert bench.acked == []

    bench.gates["slow"].set()
    await settle(lambda: len(bench.acked) == 6)

    assert bench.acked == [(EVENTS, n) for n in range(6)]


async def test_one_aggregate_over_two_topics_is_one_queue() -> None:
    """Live and parked work on an entity never overlap."""
    bench = Bench()
    bench.gates["a"] = asyncio.Event()
    bench.submit("a")
    bench.submit("a", partition=DELAY)
    await settle(lambda: bench.began == [0])

    bench.gates["a"].set()
    await settle(lambda: len(bench.handled) == 2)

    assert [w.partition for w in bench.handled] == [EVENTS, DELAY]


async def test_a_full_partition_is_paused_and_resumed() -> None:
    """Read-ahead is bounded per partition; another partition goes on."""
    bench = Bench(Bounds(per_partition=4))
    bench.gates["a"] = asyncio.Event()
    for _ in range(4):
        bench.submit("a")
    assert bench.paused == {EVENTS}

    bench.gates["a"].set()
    await settle(lambda: len(bench.handled) == 4)

    assert bench.paused == set()


async def test_events_beyond_the_bound_fold_into_the_last() -> None:
    """The last one looks again for all of them, and they are acknowledged only with it."""
    bench = Bench(Bounds(per_aggregate=2))
    bench.gates["a"] = asyncio.Event()
    works = [bench.submit("a", kind="created") for _ in range(6)]
    await settle(lambda: bench.began == [0])

    bench.gates["a"].set()
    await settle(lambda: len(bench.acked) == 6)

    last = bench.handled[-1]
    assert last is works[5]
    assert last.known is Known.CHANGED
    folded = {w.offset for handled in bench.handled for w in handled.folded}
    assert folded | {w.offset for w in bench.handled} == set(range(6))
    assert len(bench.handled) <= 4


async def test_replayed_work_before_a_live_event_counts_as_live() -> None:
    """What stands before a live event of its aggregate, running or waiting, must not hold it up."""
    bench = Bench()
    bench.gates["a"] = bench.gates["b"] = asyncio.Event()
    ahead = [bench.submit(name, lane="replay") for name in ("a", "a", "b")]
    bench.submit("b", lane="replay")
    bench.submit("a")

    assert [work.lane.lane for work in ahead] == ["live", "live", "replay"]
    bench.gates["a"].set()
    await settle(lambda: len(bench.acked) == 5)


async def test_events_of_different_kinds_do_not_fold() -> None:
    """A create is not lost in an update."""
    bench = Bench(Bounds(per_aggregate=1))
    bench.gates["a"] = asyncio.Event()
    for kind in ("created", "updated", "deleted", "updated"):
        bench.submit("a", kind=kind)

    bench.gates["a"].set()
    await settle(lambda: len(bench.acked) == 4)

    assert [w.kind for w in bench.handled] == ["created", "deleted", "updated"]


async def test_held_work_waits_until_it_is_due() -> None:
    """A parked run that is due later does not run now, and blocks nobody."""
    bench = Bench()
    bench.submit("a", partition=DELAY, due=bench.now + 0.05)
    bench.submit("b", partition=DELAY, due=bench.now + 3600)
    await settle(lambda: [w.aggregate for w in bench.handled] == ["a"])

    assert bench.acked == [(DELAY, 0)]


async def test_an_event_of_the_same_aggregate_wakes_held_work() -> None:
    """The run that waited for an address goes on when the update comes, after it."""
    bench = Bench()
    bench.submit("a", partition=DELAY, due=bench.now + 3600)
    bench.submit("a")

    await settle(lambda: len(bench.handled) == 2)

    assert [w.partition for w in bench.handled] == [EVENTS, DELAY]


async def test_a_drain_finishes_what_runs_and_forgets_the_rest() -> None:
    """At a revocation the next owner does what was not begun."""
    bench = Bench()
    bench.gates["a"] = asyncio.Event()
    for _ in range(3):
        bench.submit("a")
    await settle(lambda: bench.began == [0])
    draining = asyncio.create_task(bench.pool.drain(5))
    await asyncio.sleep(0)
    bench.submit("late")
    bench.gates["a"].set()
    await draining

    assert bench.began == [0]
    assert bench.acked == [(EVENTS, 0)]


async def test_a_drain_does_not_wait_for_ever() -> None:
    """A hanging call is cut, and its event is not acknowledged."""
    bench = Bench()
    bench.gates["a"] = asyncio.Event()
    bench.submit("a")
    await settle(lambda: bench.began == [0])

    await bench.pool.drain(0.01)

    assert bench.acked == []
    assert bench.fatal == []


async def test_a_drain_that_cuts_waits_for_what_is_on_its_way() -> None:
    """A record of the cut work must not come after those of the next owner."""
    bench = Bench()
    bench.gates["a"] = asyncio.Event()
    bench.submit("a")
    await settle(lambda: bench.began == [0])

    await bench.pool.drain(0.01)

    assert bench.told == ["cut a", "settled"]
    assert bench.fatal == []


async def test_a_drain_stops_the_worker_if_something_stays_on_its_way() -> None:
    """Only the end of the process keeps it from coming late."""
    bench = Bench()
    bench.on_its_way = Unavailable("no answer")
    bench.gates["a"] = asyncio.Event()
    bench.submit("a")
    await settle(lambda: bench.began == [0])

    await bench.pool.drain(0.01)

    assert [str(error) for error in bench.fatal] == ["no answer"]


async def test_what_the_handler_raises_stops_the_worker() -> None:
    """And the event is not acknowledged."""
    bench = Bench()

    async def fail(work: Work) -> None:
        raise StopWorker("no Kafka")

    bench.pool._handle = fail
    bench.submit("a")
    await settle(lambda: bool(bench.fatal))

    assert bench.acked == []
    assert isinstance(bench.fatal[0], StopWorker)


@pytest.mark.parametrize("seed", range(10))
async def test_any_interleaving_keeps_the_two_laws(seed: int) -> None:
    """Per aggregate in order, acknowledged in order, all of it, whatever takes how long."""
    chance = random.Random(seed)
    bench = Bench(Bounds(per_partition=1000, per_aggregate=1000))

    async def handle(work: Work) -> None:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        bench.handled.append(work)

    bench.pool._handle = handle
    partitions: list[Partition] = [("customer.events", n) for n in range(3)]
    for _ in range(300):
        number = chance.randrange(3)
        bench.submit(f"{number}-{chance.randrange(7)}", partition=partitions[number])
    await settle(lambda: len(bench.acked) == 300)

    for partition in partitions:
        offsets = [offset for p, offset in bench.acked if p == partition]
        assert offsets == sorted(offsets)
    by_aggregate: dict[str, list[int]] = defaultdict(list)
    for work in bench.handled:
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
    bench = Bench()
    bench.now = 1001.0
    bench.submit("a")
    await settle(lambda: len(bench.handled) == 1)
    parked = bench.submit("a", partition=DELAY, due=2000.0, looked_at=1000.0)
    await settle(lambda: len(bench.handled) == 2)

    assert parked.known is Known.CHANGED


async def test_news_from_before_the_look_wake_nobody() -> None:
    """What came before a run looked was seen by it."""
    bench = Bench()
    bench.submit("a")
    await settle(lambda: len(bench.handled) == 1)
    parked = bench.submit("a", partition=DELAY, due=2000.0, looked_at=1000.5)

    assert parked.known is Known.UNCHANGED
    assert bench.handled != [parked]


@pytest.mark.parametrize("due", [1000.02, 999.5], ids=["due soon", "due before it was read"])
async def test_a_run_that_looked_before_the_assignment_looks_again_when_it_is_due(due: float) -> None:
    """Another worker may have heard the news, and nobody wakes it any more; or may even have ended it."""
    bench = Bench()
    looked_before = bench.submit("a", partition=DELAY, due=due, looked_at=999.0)
    looked_after = bench.submit("b", partition=DELAY, due=due, looked_at=1000.0)
    await asyncio.wait_for(_until(lambda: len(bench.handled) == 2), 5)

    assert (looked_before.known, looked_after.known) == (Known.CHANGED, Known.UNCHANGED)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def test_an_opened_connection_wakes_what_waited_for_it() -> None:
    """Not what waits for another one or for its time; what is read afterwards is not held at all."""
    bench = Bench()
    due = bench.now + 3600
    mended = bench.submit("a", partition=DELAY, due=due, closed="con_a")
    same = bench.submit("b", partition=DELAY, due=due, closed="con_a")
    bench.submit("b", partition=DELAY, due=due, closed="con_b")
    bench.submit("c", partition=DELAY, due=due)
    bench.open.add("con_a")
    bench.pool.opened("con_a")
    await settle(lambda: len(bench.handled) == 2)
    late = bench.submit("d", partition=DELAY, due=due, closed="con_a")
    await settle(lambda: len(bench.handled) == 3)

    assert bench.handled == [mended, same, late]
    assert bench.acked == [(DELAY, 0), (DELAY, 1)]
    await bench.pool.drain(0)


async def test_a_changed_connection_wakes_what_it_blocked() -> None:
    """That it is open says nothing: what is blocked is held until the connection changes, or its time comes."""
    bench = Bench()
    bench.open.add("con_a")
    due = bench.now + 3600
    blocked = bench.submit("a", partition=DELAY, due=due, blocked="con_a")
    bench.submit("b", partition=DELAY, due=due, blocked="con_b")
    await asyncio.sleep(0.02)
    assert bench.handled == []
    bench.pool.opened("con_a")
    await settle(lambda: len(bench.handled) == 1)

    assert bench.handled == [blocked]
    await bench.pool.drain(0)
