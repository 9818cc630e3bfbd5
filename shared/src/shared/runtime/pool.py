"""The heart of the consume loop: ordered, bounded and acknowledged by hand. Knows neither Faust nor Kafka.

- One aggregate is worked on strictly one at a time, over all topics of the service; many aggregates side by side.
- A record is acknowledged only when it and everything before it on its partition is done (the contiguous prefix).
- Read-ahead is bounded per partition (reading pauses) and per aggregate: beyond that an event folds into the last one
  of its type, which then looks at the present state for all of them.
- What stands before a live event of the same aggregate counts as live for the limits: it must not be held up behind it.
- Live events begin at once; of imports and replays so many are worked on at a time (`turns.py`).
- Records of delay topics are held until they are due, or an outage that keeps them has ended; an event of the same
  aggregate wakes them at once, also one that came between their last check and their being held. What waits for a
  closed connection, a flow link that is off, or a paused import wakes when that is open again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from shared.errors import Unavailable
from shared.events.topics import is_delay, is_replay
from shared.flows.recent import REMEMBERED
from shared.log import get_logger
from shared.ratelimit.lanes import WorkPriority
from shared.retries import PROBE_EVERY
from shared.runtime.known import Known
from shared.runtime.probes import Probes
from shared.runtime.turns import Turns
from shared.tasks import unless_cancelled

log = get_logger(__name__)

Partition = tuple[str, int]


@dataclass(eq=False)
class Work:
    """One record in hand. `acknowledge` tells Kafka; `came_at` (when the record was written) and `due` (0 for now) are
    epoch seconds; `folded` are the events that this one represents; `known` is what is known of the entity; `lane` is
    that of its calls.

    `foldable`: not an event for one flow link, of an import or a replay, which says nothing to the others. `quiet`: a
    dry run, which is no news of its aggregate.

    `checked_at` is when a run that waits for news last read both sides (epoch seconds, else 0). `closed` is the
    connection, flow link, import or replay that a parked run waits for, `blocked` the connection that must change,
    `cancelled` what says that the run is not wanted any more, `outage` what one run at a time tries; `since` is when
    the run began.
    """

    partition: Partition
    offset: int
    aggregate: str
    kind: str
    value: bytes
    parked: bytes | None
    acknowledge: Callable[[], object]
    foldable: bool = False
    quiet: bool = False
    came_at: float = 0.0
    due: float = 0.0
    done: bool = False
    known: Known = Known.PRESENT
    folded: list[Work] = field(default_factory=list)
    taken_at: float = 0.0
    lane: WorkPriority = field(default_factory=WorkPriority)
    checked_at: float = 0.0
    closed: str = ""
    blocked: str = ""
    cancelled: str = ""
    outage: str = ""
    since: str = ""


@dataclass(frozen=True)
class Bounds:
    """Read-ahead: unfinished records per partition, and of one of the replay topic, held records per delay partition,
    events per aggregate. `behind`: so much is worked on at a time of what goes behind the live work: with vendors that
    take 0.3 seconds to answer, a dozen customers of an import make ten calls a second, which is what Togai grants;
    with half as many again a call waits whenever there is leave for one. `in_hand`: beside live events, so much
    of it is at no vendor.
    """

    per_partition: int = 512
    of_replay: int = 128
    held: int = 10_000
    per_aggregate: int = 8
    behind: int = 18
    in_hand: int = 2


class _News:
    """When something last came for each aggregate, as far as this worker knows: for so many, since its assignment."""

    def __init__(self, now: float) -> None:
        self._at: OrderedDict[str, float] = OrderedDict()
        self._unknown_before = now

    def note(self, aggregate: str, now: float) -> None:
        self._at[aggregate] = now
        self._at.move_to_end(aggregate)
        if len(self._at) > REMEMBERED:
            self._unknown_before = max(self._unknown_before, self._at.popitem(last=False)[1])

    def came(self, aggregate: str, since: float) -> bool:
        """Whether something came for the aggregate since then."""
        return self._at.get(aggregate, 0.0) >= since

    def unknown(self, since: float) -> bool:
        """Whether something may have come to another worker since then."""
        return since < self._unknown_before


class Pool:
    """`handle` does the work and raises only to stop the worker; `pause` and `resume` stop and start reading.
    `flush` waits until nothing that was begun is on its way to the log. `is_open` tells whether a connection or flow
    link may be used; call `opened` when one may be again. `on_held` gets each parked run that is held. `beside_live`
    tells whether live events are to be expected.
    """

    def __init__(
        self,
        handle: Callable[[Work], Awaitable[None]],
        *,
        pause: Callable[[Partition], None],
        resume: Callable[[Partition], None],
        on_fatal: Callable[[BaseException], None],
        flush: Callable[[], Awaitable[None]],
        on_restart: Callable[[], None] = lambda: None,
        is_open: Callable[[str], bool] = lambda connection: False,
        on_held: Callable[[Work], None] = lambda work: None,
        bounds: Bounds = Bounds(),
        beside_live: Callable[[], bool] = lambda: False,
        probe_every: float = PROBE_EVERY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._probes = Probes(probe_every, self._held_for, self._go_on)
        self._handle = handle
        self._pause = pause
        self._resume = resume
        self._on_fatal = on_fatal
        self._on_restart = on_restart
        self._flush = flush
        self._is_open = is_open
        self._on_held = on_held
        self._bounds = bounds
        self._beside_live = beside_live
        self._clock = clock
        self._order: dict[Partition, deque[Work]] = defaultdict(deque)
        self._open: dict[Partition, int] = defaultdict(int)
        self._paused: set[Partition] = set()
        self._queues: dict[str, deque[Work]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._held: dict[str, dict[Work, asyncio.TimerHandle | None]] = defaultdict(dict)
        self._news = _News(clock())
        self._turns = self._new_turns()
        self._stopped = False

    def submit(self, work: Work) -> None:
        """Take a record, in offset order per partition. Never blocks: a full partition is paused instead."""
        if self._stopped:
            return
        self._order[work.partition].append(work)
        self._open[work.partition] += 1
        self._check_bound(work.partition)
        if not work.parked and not work.quiet:
            self._news.note(work.aggregate, self._clock())
        news = bool(work.checked_at) and self._news.came(work.aggregate, work.checked_at)
        if news:
            work.known = Known.CHANGED
        wait = work.due - self._clock()
        if news or self._may_go_on(work) or (wait <= 0 and not work.outage):
            self._enqueue(work)
            if not work.quiet:
                self.wake(work.aggregate)
        else:
            self._hold(work, wait)

    def _hold(self, work: Work, wait: float) -> None:
        """Until it is due, or one of those that an outage keeps has gone through: they are not due each for itself."""
        loop = asyncio.get_running_loop()
        self._held[work.aggregate][work] = None if work.outage else loop.call_later(wait, self._ripe, work)
        self._probes.held(work)
        self._on_held(work)

    def _may_go_on(self, work: Work) -> bool:
        return any(name and self._is_open(name) for name in (work.closed, work.cancelled))

    def wake(self, aggregate: str) -> None:
        """There is news of the aggregate: its held records are worked on now, after what is queued."""
        for work, timer in list(self._held.pop(aggregate, {}).items()):
            _cancel(timer)
            work.known = Known.CHANGED
            self._enqueue(work)

    def on_news(self, aggregate: str) -> None:
        """There is news of the aggregate that no event of it tells: what waits looks again, now or when it is held."""
        self._news.note(aggregate, self._clock())
        self.wake(aggregate)

    def opened(self, name: str) -> None:
        """A connection, flow link or import is open again, or has changed: what waits for it goes on."""
        for work in sorted(self._held_for(name), key=lambda held: held.since):
            self._go_on(work)

    def answered(self, call: str) -> None:
        """A call succeeded: what was parked because it did not goes on, the oldest first."""
        if call in self._probes:
            self.opened(call)

    def _held_for(self, name: str) -> list[Work]:
        works = [work for held in self._held.values() for work in held]
        return [work for work in works if name in (work.closed, work.blocked, work.cancelled, work.outage)]

    def _go_on(self, work: Work) -> None:
        _cancel(self._held[work.aggregate][work])
        self._ripe(work)

    def oldest(self) -> float:
        """Seconds since the longest running event was begun, 0 if none runs."""
        taken = [q[0].taken_at for q in self._queues.values() if q and q[0].taken_at]
        return self._clock() - min(taken) if taken else 0.0

    def in_hand(self) -> dict[Partition, int]:
        """Records read and not acknowledged, by partition."""
        return {partition: len(order) for partition, order in self._order.items() if order}

    async def drain(self, seconds: float) -> None:
        """Finish what runs, start nothing more, forget the rest unacknowledged. For shutdown and every revocation.

        A record of work that was cut off may still be on its way: it must not come after those of the next owner.
        """
        self._stopped = True
        for held in self._held.values():
            for timer in held.values():
                _cancel(timer)
        self._held.clear()
        self._probes.stop()
        self._turns.stop()
        for queue in self._queues.values():
            while len(queue) > 1:
                queue.pop()
        running = list(self._tasks.values())
        if running:
            _done, late = await asyncio.wait(running, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                log.warning("pool.drain_cut", unfinished=len(late))
                await asyncio.wait(late, timeout=1.0)
                await self._settled()
        self._queues.clear()
        self._tasks.clear()
        self._order.clear()
        self._open.clear()
        self._paused.clear()

    async def _settled(self) -> None:
        try:
            await self._flush()
        except Unavailable as error:
            self._on_fatal(error)

    def _new_turns(self) -> Turns:
        return Turns(self._bounds.behind, self._bounds.in_hand, self._beside_live)

    def restart(self) -> None:
        """Take records again, after a drain and a new assignment. What came to others meanwhile is not known."""
        self._news = _News(self._clock())
        self._turns = self._new_turns()
        self._on_restart()
        self._stopped = False

    def _ripe(self, work: Work) -> None:
        held = self._held.get(work.aggregate, {})
        held.pop(work, None)
        if not held:
            self._held.pop(work.aggregate, None)
        self._enqueue(work)

    def _enqueue(self, work: Work) -> None:
        if work.checked_at and self._news.unknown(work.checked_at):
            work.known = Known.CHANGED
        queue = self._queues.get(work.aggregate)
        if queue is None:
            self._queues[work.aggregate] = deque([work])
            task = asyncio.create_task(self._work_off(work.aggregate), name=f"aggregate {work.aggregate}")
            self._tasks[work.aggregate] = task
            return
        if work.lane.lane == "live":
            for ahead in queue:
                ahead.lane.promote()
        if work.foldable and len(queue) > self._bounds.per_aggregate:
            self._fold(queue, work)
        queue.append(work)

    def _fold(self, queue: deque[Work], work: Work) -> None:
        # Never the head: it is being worked on. Its body is not needed any more, the last event represents it.
        for older in [w for w in list(queue)[1:] if w.foldable and w.kind == work.kind]:
            queue.remove(older)
            work.folded += [*older.folded, older]
            older.folded = []
            older.known = work.known = Known.CHANGED

    async def _work_off(self, aggregate: str) -> None:
        queue = self._queues[aggregate]
        try:
            while queue:
                work = queue[0]
                await self._handle_in_turn(work)
                if self._queues.get(aggregate) is not queue:
                    return  # drained meanwhile: the partition may be another worker's by now
                self._finish(work)
                queue.popleft()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._on_fatal(error)
        finally:
            if self._queues.get(aggregate) is queue:
                del self._queues[aggregate]
                self._tasks.pop(aggregate, None)

    async def _handle_in_turn(self, work: Work) -> None:
        turns = self._turns
        takes_place = await turns.begin(work.lane)
        try:
            work.taken_at = self._clock()
            await unless_cancelled(self._handle(work))
        finally:
            turns.end(takes_place)

    def _finish(self, work: Work) -> None:
        for each in (*work.folded, work):
            each.done, each.value, each.parked = True, b"", None
            self._open[each.partition] -= 1
        for partition in {each.partition for each in (*work.folded, work)}:
            self._acknowledge(partition)
            self._check_bound(partition)

    def _acknowledge(self, partition: Partition) -> None:
        order = self._order.get(partition)
        while order and order[0].done:
            order.popleft().acknowledge()

    def _limit(self, topic: str) -> int:
        # The whole of an import would be read at once, and a live event with it, while only a few are worked on.
        if is_replay(topic):
            return self._bounds.of_replay
        return self._bounds.held if is_delay(topic) else self._bounds.per_partition

    def _check_bound(self, partition: Partition) -> None:
        limit = self._limit(partition[0])
        count = self._open[partition]
        if count >= limit and partition not in self._paused:
            self._paused.add(partition)
            self._pause(partition)
        elif count <= limit // 2 and partition in self._paused:
            self._paused.discard(partition)
            self._resume(partition)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer:
        timer.cancel()


def contiguous(last: int | None, offset: int) -> bool:
    """Whether a record follows the last one that was read: a hole means that something was skipped."""
    return last is None or offset == last + 1


def same_numbers(assignment: Iterable[Partition], topics: Iterable[str]) -> bool:
    """Whether a worker owns the same partition numbers of all its input topics."""
    owned = {topic: {number for name, number in assignment if name == topic} for topic in topics}
    return len({frozenset(numbers) for numbers in owned.values()}) <= 1
