"""Beside a live event that calls vendors, the calls of other work pause, for so long at most."""

from __future__ import annotations

import asyncio

import pytest
from shared.ratelimit import CallGate, Lane, LiveFirst, WorkPriority, present_lane
from shared.settings import Settings

LONG, SHORT = 60.0, 0.01


class Process:
    """A worker's gate, and pieces of work that call through it."""

    def __init__(self, longest: float = LONG) -> None:
        self.now = 1000.0
        self.live_first = LiveFirst(longest, clock=lambda: self.now)
        self.gate = CallGate(Settings(_env_file=None, stripe_quota=0), live_first=self.live_first)
        self.called: list[Lane] = []

    async def call(self, work: WorkPriority) -> None:
        present_lane.set(work)
        async with self.gate.call("stripe:test:acct_1"):
            self.called.append(work.lane)

    async def begin(self, work: WorkPriority) -> asyncio.Task[None]:
        """A call of the work, as far as it comes by itself."""
        task = asyncio.create_task(self.call(work))
        for _ in range(20):
            await asyncio.sleep(0)
        return task


async def test_other_work_pauses_until_the_live_event_has_ended() -> None:
    """Between its calls, too: it is the event that goes first, not the call."""
    process, live = Process(), WorkPriority("live")
    await process.begin(live)
    behind = await process.begin(WorkPriority("backfill"))
    await process.begin(live)
    beside = list(process.called)
    process.live_first.ended(live)
    await behind

    assert (beside, process.called) == (["live", "live"], ["live", "live", "backfill"])


async def test_two_live_events() -> None:
    """The pause lasts until both have ended."""
    process, one, other = Process(), WorkPriority("live"), WorkPriority("live")
    await process.begin(one)
    await process.begin(other)
    behind = await process.begin(WorkPriority("replay"))
    process.live_first.ended(one)
    await process.begin(WorkPriority("live"))
    beside = behind.done()
    process.live_first.ended(other)

    assert beside is False
    assert behind.done() is False  # the third one still calls


@pytest.mark.parametrize("lane", ["replay", "reconcile", "backfill"])
async def test_nobody_pauses_for_a_live_event_that_calls_nobody(lane: Lane) -> None:
    """Echoes come by the dozen during an import."""
    process = Process()
    process.live_first.ended(WorkPriority("live"))
    await process.begin(WorkPriority(lane))

    assert process.called == [lane]


async def test_a_call_pauses_so_long_at_most() -> None:
    """One live event after the other, or a vendor that hangs: other work is slower, and goes on."""
    process = Process(SHORT)
    await process.begin(WorkPriority("live"))
    await process.call(WorkPriority("backfill"))

    assert process.called == ["live", "backfill"]


async def test_what_becomes_live_pauses_no_more() -> None:
    """And others pause for it, from its next call on."""
    process, work = Process(), WorkPriority("backfill")
    work.promote()
    await process.begin(work)
    await process.begin(WorkPriority("live"))
    behind = await process.begin(WorkPriority("backfill"))

    assert (process.called, behind.done()) == (["live", "live"], False)
    behind.cancel()


async def test_live_events_are_expected_for_a_minute_after_one_called() -> None:
    """Whether or not it has ended."""
    process = Process()
    before = process.live_first.recent()
    await process.begin(WorkPriority("live"))
    process.now += 59
    soon = process.live_first.recent()
    process.now += 2

    assert (before, soon, process.live_first.recent()) == (False, True, False)


async def test_what_an_import_makes_lets_nobody_expect_live_events() -> None:
    """The echo of its own write promotes the work that it waits for."""
    process, promoted = Process(), WorkPriority("backfill")
    promoted.promote()
    await process.begin(promoted)
    await process.begin(WorkPriority("replay"))

    assert process.live_first.recent() is False
