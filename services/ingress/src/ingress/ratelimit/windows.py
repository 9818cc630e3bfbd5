"""Places in a vendor's windows, and what a 429 does to them. Pure; times are seconds of one monotonic clock."""

from __future__ import annotations

from shared.ratelimit.quotas import window_of

LOWERED_TO = 0.7
"""What a 429 leaves of a limit."""
LEAST = 0.1
"""No 429 lowers a limit below this share of the quota."""
RECOVERS_IN = 40.0
"""Seconds in which a limit climbs from nothing to its quota."""
ONE_BURST = 1.0
"""429s so near to each other are of one burst of calls, and lower the limit once."""


class Limit:
    """A limit that 429s lower and time raises again, never above the quota. A quota of 0 is no limit."""

    def __init__(self, quota: float) -> None:
        self.quota = quota
        self._value = quota
        self._at = float("-inf")
        self._lowered_at = float("-inf")

    def present(self, now: float) -> float:
        """What it is now; infinite without a quota."""
        if not self.quota:
            return float("inf")
        return min(self.quota, self._value + (now - self._at) * self.quota / RECOVERS_IN)

    def lower(self, now: float) -> None:
        """A 429 came."""
        if self.quota and now - self._lowered_at >= ONE_BURST:
            self._value = max(self.present(now) * LOWERED_TO, self.quota * LEAST)
            self._at = self._lowered_at = now


class Window:
    """Calls in any stretch of one second. A key is taken from the moment at which a lease can be used until the call
    is out of the window for certain.
    """

    def __init__(self, quota: float) -> None:
        self.rate = Limit(quota)
        self._free_at: dict[int, float] = {}

    @property
    def seconds(self) -> float:
        """The length of the window at the whole quota, 0 without one."""
        return window_of(self.rate.quota) if self.rate.quota else 0.0

    def slots(self, now: float) -> float:
        """How many calls may be in the window now."""
        rate = self.rate.present(now)
        return rate if rate == float("inf") else max(1, int(rate + 1e-9))

    def taken(self, now: float) -> int:
        """How many are in it."""
        return sum(1 for at in self._free_at.values() if at > now)

    def next_place(self, now: float, kept: int = 0) -> float:
        """When the next key comes free beside those that are kept for others: now, or later."""
        slots = max(1, self.slots(now) - kept)
        taken = sorted(at for at in self._free_at.values() if at > now)
        return now if len(taken) < slots else taken[len(taken) - int(slots)]

    def take(self, lease: int, last_counted: float, now: float) -> None:
        """Take a key for a lease, which the vendor counts at `last_counted` at the latest; or correct that time."""
        self._free_at[lease] = last_counted + window_of(self.rate.present(now))

    def give_back(self, lease: int) -> None:
        """It was not used."""
        self._free_at.pop(lease, None)

    def forget(self, now: float) -> None:
        """Drop what is out of the window."""
        self._free_at = {lease: at for lease, at in self._free_at.items() if at > now}
