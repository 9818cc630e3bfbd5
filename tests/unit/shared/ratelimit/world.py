"""Workers, an allocator and a vendor on a clock of their own: whole minutes of limits in milliseconds, by a seed."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from ingress.ratelimit.allocator import Allocator
from shared.ratelimit.lanes import Lane
from shared.ratelimit.lease_client import Key, LeaseClient
from shared.ratelimit.messages import COUNTED_WITHIN, Demand, Grants
from shared.ratelimit.quotas import Quota

ACCOUNT = "togai:live:org"
LONGEST_CALL = 5.0


@dataclass
class Network:
    """What goes wrong: bounds in seconds, chances from 0 to 1."""

    delay: float = 0.004
    lost: float = 0.0
    call: float = 0.02
    jitter: float = 0.01
    slow_calls: float = 0.0
    dawdle: float = 0.0


@dataclass
class Counted:
    """One call as the vendor counted it."""

    at: float
    worker: str
    key: Key


@dataclass
class SimWorker:
    """One process: a client, calls that wait, and a clock that agrees with nobody's and is no steadier than most."""

    client: LeaseClient
    offset: float
    drift: float = 0.0
    waiting: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    backlog: dict[Key, int] = field(default_factory=dict)
    """Keys of which there are always so many calls waiting."""
    alive: bool = True
    wake: float = float("inf")
    read_at: float = 0.0

    def clock(self, at: float) -> float:
        """What its clock says at a true time."""
        return at * (1 + self.drift) + self.offset


class World:
    """`at` is the true time, which nobody but the vendor knows."""

    def __init__(self, quota: Quota, seed: int = 0, network: Network | None = None, share: float = 0.05) -> None:
        self.quota, self.random, self.network, self.share = quota, Random(seed), network or Network(), share
        self.at = 1000.0
        self.counted: list[Counted] = []
        self.under_way = 0
        self.counted_after = self.random.random() * self.network.call
        self.workers: dict[str, SimWorker] = {}
        self.allocator: Allocator | None = None
        self.answer: Callable[[Counted], tuple[str, float | None] | None] = lambda call: None
        self._offset = 0.0
        self._allocator_wake = float("inf")
        self._read_at = 0.0
        self._records = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    # --- what happens when ---

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.at + max(0.0, seconds), next(self._number), what))

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.at + seconds
        while self._queue and self._queue[0][0] <= end:
            self.at, _, what = heapq.heappop(self._queue)
            what()
        self.at = end

    def begin_allocator(self) -> None:
        """A new one takes over, or the first begins."""
        epoch, self._offset = self._records, self.random.uniform(-1e5, 1e5)
        allocator = self.allocator = Allocator(epoch, self.at + self._offset, lambda _: self.quota, LONGEST_CALL)
        self._publish_leases(Grants(epoch=epoch))
        self._allocator_turn(allocator)

    def kill_allocator(self) -> None:
        self.allocator = None

    def add_worker(self, name: str, **backlog: int) -> SimWorker:
        """A process that always has so many calls of each lane waiting."""
        client = LeaseClient(name, lambda _: self.quota, self.share)
        own = SimWorker(client, self.random.uniform(-1e5, 1e5), self.random.uniform(-2e-4, 2e-4))
        for lane, count in backlog.items():
            own.backlog[key(lane)] = count  # type: ignore[arg-type]
        self.workers[name] = own
        self.later(0, lambda: self._worker_turn(own))
        return own

    def call(self, worker: SimWorker, lane: Lane, number: int = 1) -> None:
        """So many calls come to one worker now."""
        worker.waiting[key(lane)] += number
        self._worker_turn(worker)

    # --- the allocator ---

    def _allocator_turn(self, allocator: Allocator) -> None:
        if self.allocator is not allocator:
            return
        now = self.at + self._offset
        if (leases := allocator.allot(now)) is not None:
            self._publish_leases(leases)
        wake = self.at + max(allocator.next_turn(now) - now, 1e-4)
        if wake < self._allocator_wake or self._allocator_wake <= self.at:
            self._allocator_wake = wake
            self._wake_at(wake, lambda: self._allocator_turn(allocator))

    def _publish_leases(self, leases: Grants) -> None:
        self._records += 1
        for worker in self.workers.values():
            worker.read_at = max(worker.read_at, self.at + self.random.uniform(0, self.network.delay))
            if self.random.random() >= self.network.lost:
                self.later(worker.read_at - self.at, lambda w=worker: self._receives(w, leases))  # type: ignore[misc]

    def _publish_demand(self, demand: Demand) -> None:
        self._read_at = max(self._read_at, self.at + self.random.uniform(0, self.network.delay))
        if self.random.random() >= self.network.lost:
            self.later(self._read_at - self.at, lambda: self._received(demand))

    def _received(self, demand: Demand) -> None:
        if self.allocator:
            self.allocator.receive(demand, self.at + self._offset)
            self._allocator_turn(self.allocator)

    # --- a worker ---

    def _receives(self, worker: SimWorker, leases: Grants) -> None:
        if worker.alive:
            worker.client.receive(leases, worker.clock(self.at))
            self._worker_turn(worker)

    def _worker_turn(self, worker: SimWorker) -> None:
        if not worker.alive:
            return
        now = worker.clock(self.at)
        for known, count in worker.backlog.items():
            worker.waiting[known] = max(worker.waiting[known], count)
        for wanted in list(worker.waiting):
            while worker.waiting[wanted] and (lease := worker.client.take(wanted, now)):
                worker.waiting[wanted] -= 1
                pause = self.random.uniform(0, self.network.dawdle)
                self.later(pause, lambda p=lease: self._send(worker, p))  # type: ignore[misc]
                worker.waiting[wanted] = max(worker.waiting[wanted], worker.backlog.get(wanted, 0))
        waiting = {k: count for k, count in worker.waiting.items() if count}
        if (demand := worker.client.message(waiting, now)) is not None:
            self._publish_demand(demand)
        wake = self.at + max(worker.client.next_turn(waiting, now) - now, 1e-4)
        if wake < worker.wake or worker.wake <= self.at:
            worker.wake = wake
            self._wake_at(wake, lambda: self._worker_turn(worker))

    def _wake_at(self, at: float, turn: Callable[[], None]) -> None:
        if at != float("inf"):
            heapq.heappush(self._queue, (at, next(self._number), turn))

    def _send(self, worker: SimWorker, lease: Any) -> None:
        if not worker.alive:
            return
        if not worker.client.begin(lease, worker.clock(self.at)):
            worker.waiting[lease.key] += 1
            return
        slow = self.random.random() < self.network.slow_calls
        extra = (1.5 if slow else self.network.jitter) * self.random.random() ** 3
        takes = self.network.call + extra
        # What all calls have in common delays the count of all alike; what is over may fall before it, or after.
        before = self.random.choice((0.0, self.random.random(), 1.0)) * min(extra, COUNTED_WITHIN)
        call = Counted(self.at + self.counted_after + before, worker.client.worker, lease.key)
        self.counted.append(call)
        self.under_way += 1
        self.later(takes, lambda: self._answered(worker, lease, call))

    def _answered(self, worker: SimWorker, lease: Any, call: Counted) -> None:
        self.under_way -= 1
        if not worker.alive:
            return
        worker.client.end(lease, worker.clock(self.at))
        if refused := self.answer(call):
            reason, retry_after = refused
            self.refuse(worker, call.key.operation, reason, retry_after)
        self._worker_turn(worker)

    def refuse(self, worker: SimWorker, operation: str, reason: str, retry_after: float | None) -> None:
        """A 429 comes to one worker."""
        if news := worker.client.refused(ACCOUNT, operation, reason, retry_after):
            self._publish_leases(news)

    # --- what the vendor saw ---

    def most_in_a_window(self, seconds: float = 1.0) -> int:
        """The most calls that it counted in any stretch of time."""
        times, most, inside = sorted(call.at for call in self.counted), 0, deque[float]()
        for at in times:
            inside.append(at)
            while inside[0] <= at - seconds + 1e-9:
                inside.popleft()
            most = max(most, len(inside))
        return most

    def between(self, since: float, until: float) -> list[Counted]:
        """What it counted from a time on, up to another."""
        return [call for call in self.counted if since <= call.at < until]


def key(lane: Lane, operation: str = "", account: str = ACCOUNT) -> Key:
    return Key(account, operation, lane)
