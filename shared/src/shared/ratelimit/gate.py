"""The gate before every call to a vendor: a lease of the shared limits, calls in flight, and a pause after a 429."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiolimiter import AsyncLimiter

from shared.errors import RateLimited
from shared.ratelimit.concurrency import ConcurrencyLimiter
from shared.ratelimit.lanes import WorkPriority, present_lane
from shared.ratelimit.live_first import LiveFirst
from shared.ratelimit.quotas import Quotas
from shared.ratelimit.refusals import LONGEST_BACK_OFF, SHARED, is_whole
from shared.ratelimit.shared_limits import SharedLimits
from shared.settings import Settings

PAUSE = 1.0
"""Seconds of pause after a 429 that names none."""


class CallGate:
    """One per process. With `limits` each call needs one; without, as at set-up, calls are spaced by the quota alone.

    `lane` is that of every call, else the work's around it. `before_sending` is called when a call's turn has come.
    With `live_first` calls of other work pause while a live event calls.
    """

    def __init__(
        self,
        settings: Settings,
        limits: SharedLimits | None = None,
        lane: WorkPriority | None = None,
        before_sending: Callable[[], None] = lambda: None,
        live_first: LiveFirst | None = None,
    ) -> None:
        self._quotas = limits.quotas if limits else Quotas(settings)
        self._before_sending = before_sending
        self._live_first = live_first
        self._limits = limits
        self._lane = lane
        self._in_flight = limits.in_flight if limits else ConcurrencyLimiter(settings.calls_in_flight)
        self._limiters: dict[str, tuple[float, AsyncLimiter | None]] = {}
        self._backed_off_until: dict[tuple[str, str], float] = {}

    @asynccontextmanager
    async def call(self, app_account: str, operation: str = "") -> AsyncIterator[None]:
        """Wait for the account's turn, then hold one of the calls in flight."""
        work = self._lane or present_lane.get()
        if self._live_first and work:
            await self._live_first.turn(work)
        work = work or WorkPriority()
        await self._turn(app_account, operation)
        held: AbstractAsyncContextManager[object] = self._in_flight
        if self._limits and self._quotas.of(app_account).limited:
            held = self._limits.call(app_account, operation, work)
        async with held:
            self._before_sending()
            with work.calling():
                yield

    async def _turn(self, app_account: str, operation: str) -> None:
        """After a hold everybody takes a new turn: those who waited must not come all at once."""
        limiter = self._limiter(app_account)
        if limiter:
            await limiter.acquire()
        while (left := self._until(app_account, operation) - time.monotonic()) > 0:
            await asyncio.sleep(left)
            if limiter:
                await limiter.acquire()

    def _until(self, app_account: str, operation: str) -> float:
        return max(self._backed_off_until.get((app_account, name), 0.0) for name in ("", operation))

    def slow_down(self, app_account: str, seconds: float, operation: str = "") -> None:
        """Nobody in this process calls that account, or that one operation of it, for `seconds`, at most 30."""
        until = time.monotonic() + min(max(seconds, 0.0), LONGEST_BACK_OFF)
        place = (app_account, operation)
        self._backed_off_until[place] = max(until, self._backed_off_until.get(place, 0.0))
        if self._limits:
            self._limits.back_off(app_account, until, operation)

    def refused(self, app_account: str, operation: str, error: RateLimited) -> None:
        """A 429 came. If a limit of the account or of the operation was met, this process pauses at once, and the
        allocator and all others learn of it. Any other, a locked object say, concerns that one call, which is retried.
        """
        if error.reason not in SHARED:
            return
        self.slow_down(app_account, error.retry_after or PAUSE, "" if is_whole(error.reason) else operation)
        if self._limits:
            self._limits.refused(app_account, operation, error.reason, error.retry_after)

    def _rate(self, app_account: str) -> float:
        """Calls per second by which this process spaces its calls itself; 0 if it does not."""
        return 0.0 if self._limits else self._quotas.of(app_account).rate

    def _limiter(self, app_account: str) -> AsyncLimiter | None:
        rate = self._rate(app_account)
        known, limiter = self._limiters.get(app_account, (-1.0, None))
        if known != rate:
            # One call per 1/rate seconds: a bucket of `rate` calls would let a burst of twice the rate through.
            limiter = AsyncLimiter(1, 1 / rate) if rate else None
            self._limiters[app_account] = rate, limiter
        return limiter
