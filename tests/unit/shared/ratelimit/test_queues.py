"""Who gets the next lease among the calls of one worker."""

from __future__ import annotations

import asyncio
import random

from shared.ratelimit.lanes import WorkPriority
from shared.ratelimit.lease_client import Key
from shared.ratelimit.queues import Queues, Waiter

LIVE = Key("togai:test:o", "", "live")
REPLAY = LIVE._replace(lane="replay")
RATE = 10
"""SharedLimits in a turn."""
CALLS = 5
"""Calls of one piece of work, one after the other."""


def waiter(age: int, key: Key = LIVE) -> Waiter:
    """A call that waits."""
    return Waiter(key, age, asyncio.get_running_loop().create_future())


async def test_the_call_of_the_oldest_work_is_first() -> None:
    """Whenever it came; calls of the same work keep their order, and whoever was cancelled is passed over."""
    queues = Queues()
    waiters = [waiter(age) for age in (5, 3, 9, 3, 1)]
    for each in waiters:
        queues.add(each)
    waiters[4].lease.cancel()
    found = []
    while first := queues.first(LIVE):
        queues.remove(first)
        found.append(first)

    assert found == [waiters[1], waiters[3], waiters[0], waiters[2]]
    assert queues.waiting() == {}


async def test_live_calls_come_before_the_others() -> None:
    """However old those are; what waits is counted by what it waits for."""
    queues = Queues()
    for age, key in ((1, REPLAY), (2, REPLAY), (3, LIVE)):
        queues.add(waiter(age, key))

    assert queues.by_lane() == [LIVE, REPLAY]
    assert queues.waiting() == {LIVE: 1, REPLAY: 2}


async def test_removing_who_does_not_wait_is_no_error() -> None:
    """A call leaves its queue when it got its lease, and once more when it ends."""
    queues, first = Queues(), waiter(1)
    queues.remove(first)
    queues.add(first)
    queues.remove(first)
    queues.remove(first)

    assert queues.first(LIVE) is None


async def test_work_ends_before_other_work_begins() -> None:
    """A thousand events at once, each with five calls: at no time are more under way than a turn has leases."""
    queues = Queues()
    left = {WorkPriority().age: CALLS for _ in range(1000)}
    ages = list(left)
    random.Random(7).shuffle(ages)
    for age in ages:
        queues.add(waiter(age))
    most = 0
    while queues.waiting():
        turn: list[Waiter] = []
        while len(turn) < RATE and (first := queues.first(LIVE)):
            queues.remove(first)
            turn.append(first)
        for each in turn:
            left[each.age] -= 1
            if left[each.age]:
                queues.add(waiter(each.age))
        most = max(most, sum(0 < calls < CALLS for calls in left.values()))

    assert most <= RATE
    assert not any(left.values())
