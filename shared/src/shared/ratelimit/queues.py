"""Who waits for a lease, by what it is for; in a queue the call of the oldest work comes first (see `lanes`)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sortedcontainers import SortedKeyList

from shared.ratelimit.lanes import LANES
from shared.ratelimit.lease_client import Key, Lease


@dataclass(eq=False)
class Waiter:
    """A call that wants a lease; `age` is that of the work around it."""

    key: Key
    age: int
    lease: asyncio.Future[Lease]


class Queues:
    """The queues of one process."""

    def __init__(self) -> None:
        self._queues: dict[Key, SortedKeyList] = {}

    def add(self, waiter: Waiter) -> None:
        """It waits from now on."""
        queue = self._queues.get(waiter.key)
        if queue is None:
            queue = self._queues[waiter.key] = SortedKeyList(key=lambda waiter: waiter.age)
        queue.add(waiter)

    def remove(self, waiter: Waiter) -> None:
        """It does not wait any more, if it did."""
        queue = self._queues.get(waiter.key)
        if queue is None:
            return
        queue.discard(waiter)
        if not queue:
            del self._queues[waiter.key]

    def first(self, key: Key) -> Waiter | None:
        """The next to get a lease; whoever was cancelled meanwhile is dropped."""
        while queue := self._queues.get(key):
            waiter: Waiter = queue[0]
            if not waiter.lease.done():
                return waiter
            self.remove(waiter)
        return None

    def by_lane(self) -> list[Key]:
        """What is waited for, by lane in the order in which they go first."""
        return sorted(self._queues, key=lambda key: LANES.index(key.lane))

    def waiting(self) -> dict[Key, int]:
        """How many wait for what."""
        return {key: len(queue) for key, queue in self._queues.items()}
