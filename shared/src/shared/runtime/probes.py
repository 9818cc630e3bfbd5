"""Which parked run looks whether what keeps it has ended: one at a time for each cause, who looked longest ago.

If it goes through, all others of the cause go on, also where it did not make the call that failed; until then they make
no call for nothing. Knows no Kafka.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.runtime.pool import Work


class Probes:
    """`held` gives the work that is held for a cause, `go` lets one go on."""

    def __init__(self, every: float, held: Callable[[str], list[Work]], go: Callable[[Work], None]) -> None:
        self._every = every
        self._held = held
        self._go = go
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._under_way: dict[str, Work] = {}

    def __contains__(self, cause: str) -> bool:
        return cause in self._timers

    def held(self, work: Work) -> None:
        """Work is held for a cause, if it names one."""
        if work.outage and work.outage not in self._timers:
            self._wait(work.outage)

    def stop(self) -> None:
        """Nobody looks any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._under_way.clear()

    def _wait(self, cause: str) -> None:
        self._timers[cause] = asyncio.get_running_loop().call_later(self._every, self._look, cause)

    def _look(self, cause: str) -> None:
        before, held = self._under_way.get(cause), self._held(cause)
        if before and not before.done:
            self._wait(cause)
        elif before and held and all(work.aggregate != before.aggregate for work in held):
            del self._under_way[cause]
            self._wait(cause)
            for work in sorted(held, key=lambda work: work.since):
                self._go(work)
        elif held:
            self._under_way[cause] = probe = min(held, key=lambda work: (work.came_at, work.since))
            self._wait(cause)
            self._go(probe)
        else:
            del self._timers[cause]
            self._under_way.pop(cause, None)
