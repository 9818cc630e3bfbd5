"""The pollers' own rate: a small share of a vendor's quota, so that they never stand in the way of the workers."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiolimiter import AsyncLimiter
from shared.ratelimit import CallGate, SharedLimits, WorkPriority
from shared.settings import Settings

BURST = 0.2
"""Share of the quota that pollers take at most within any one second, and part of a minute's calls that may come at
once.
"""


class PollGate(CallGate):
    """At most `poll_share` of the quota in any minute, spread so that a burst leaves the workers four fifths.

    With `limits` the pollers' calls count among everybody's, in a lane behind the workers'. At an account of which
    `requested` tells that somebody waits for a poll, the quota alone bounds them.
    """

    requested: Callable[[str], bool] = staticmethod(lambda app_account: False)

    def __init__(self, settings: Settings, limits: SharedLimits | None = None) -> None:
        super().__init__(settings, limits, lane=WorkPriority("reconcile"))
        self._poll_share = settings.poll_share
        self._averages: dict[str, tuple[tuple[float, float], AsyncLimiter]] = {}

    @asynccontextmanager
    async def call(self, app_account: str, operation: str = "") -> AsyncIterator[None]:
        """Wait for the account's turn, then hold one of the calls in flight."""
        if self._quotas.of(app_account).limited and not self.requested(app_account):
            await self._average(app_account).acquire()
        async with super().call(app_account, operation):
            yield

    def calls_in(self, app_account: str, seconds: float) -> int:
        """How many calls fit into a stretch of time again and again; at least one."""
        if not self._quotas.of(app_account).limited:
            return sys.maxsize
        return max(1, int(self._bucket(app_account)[1] * seconds))

    def _rate(self, app_account: str) -> float:
        share = 1.0 if self.requested(app_account) else max(BURST, self._share(app_account))
        return self._quotas.of(app_account).rate * share

    def _share(self, app_account: str) -> float:
        return self._quotas.of(app_account).polling_share or self._poll_share

    def _average(self, app_account: str) -> AsyncLimiter:
        bucket, refill = self._bucket(app_account)
        known = self._averages.get(app_account)
        if known is None or known[0] != (bucket, refill):
            known = self._averages[app_account] = (bucket, refill), AsyncLimiter(bucket, bucket / refill)
        return known[1]

    def _bucket(self, app_account: str) -> tuple[float, float]:
        """Calls that may come at once, and calls per second: both together make the share of any minute."""
        a_minute = self._quotas.of(app_account).rate * self._share(app_account) * 60
        bucket = max(1.0, a_minute * BURST)
        return bucket, max(a_minute - bucket, a_minute / 2) / 60
