"""How fast and how many: a worker's own rate per app account, and its calls in flight.

Until the shared allocator exists each worker keeps to a rate from the settings, spaced evenly, and obeys 429.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiolimiter import AsyncLimiter

from shared.settings import Settings

LONGEST_HOLD = 30.0


class CallGate:
    """Every call to a vendor passes it. One per worker."""

    def __init__(self, settings: Settings, rates: Mapping[str, float] | None = None) -> None:
        self._rates = rates or {"stripe": settings.stripe_rate, "togai": settings.togai_rate}
        self._in_flight = asyncio.Semaphore(settings.calls_in_flight)
        self._limiters: dict[str, AsyncLimiter] = {}
        self._held_until: dict[str, float] = {}

    @asynccontextmanager
    async def call(self, app_account: str) -> AsyncIterator[None]:
        """Wait for the account's turn, then hold one of the calls in flight."""
        await self._turn(app_account)
        async with self._in_flight:
            yield

    async def _turn(self, app_account: str) -> None:
        """After a hold everybody takes a new turn: those who waited must not come all at once."""
        limiter = self._limiter(app_account)
        await limiter.acquire()
        while (left := self._held_until.get(app_account, 0.0) - time.monotonic()) > 0:
            await asyncio.sleep(left)
            await limiter.acquire()

    def slow_down(self, app_account: str, seconds: float) -> None:
        """A 429 came: nobody in this worker calls that account for `seconds`, at most 30."""
        until = time.monotonic() + min(max(seconds, 0.0), LONGEST_HOLD)
        self._held_until[app_account] = max(until, self._held_until.get(app_account, 0.0))

    def _limiter(self, app_account: str) -> AsyncLimiter:
        if app_account not in self._limiters:
            rate = self._rates[app_account.partition(":")[0]]
            # One call per 1/rate seconds: a bucket of `rate` calls would let a burst of twice the rate through.
            self._limiters[app_account] = AsyncLimiter(1, 1 / rate)
        return self._limiters[app_account]
