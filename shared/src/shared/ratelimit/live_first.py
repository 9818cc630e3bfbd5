"""Beside a live event that calls vendors, other work of the process pauses before its next call.

At a vendor the lanes decide whose call goes first, but a call is the smaller part of an event's time: records and the
processor are shared with whatever else the process does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from shared.ratelimit.lanes import EXPECTED_FOR, LIVE, WorkPriority

LONGEST = 0.5
"""Seconds for which a call pauses at most: a backlog of live events, or one whose vendor hangs, holds up nobody."""


class LiveFirst:
    """One per process. Live events that call nobody, as echoes do, hold up nothing."""

    def __init__(self, longest: float = LONGEST, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._clock = clock
        self._recent_until = 0.0
        self._calling: set[WorkPriority] = set()
        self._nobody = asyncio.Event()
        self._nobody.set()

    async def turn(self, work: WorkPriority) -> None:
        """Before each call of a piece of work."""
        if work.initial_lane == LIVE:
            self._recent_until = self._clock() + EXPECTED_FOR
        if work.lane == LIVE:
            self._calling.add(work)
            self._nobody.clear()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._longest):
                await self._nobody.wait()

    def ended(self, work: WorkPriority) -> None:
        """It calls nobody any more for the present."""
        self._calling.discard(work)
        if not self._calling:
            self._nobody.set()

    def recent(self) -> bool:
        """Whether a live event called lately. What an echo has promoted does not count: an import makes its own."""
        return self._clock() < self._recent_until
