"""One app account at the allocator: its windows, its concurrency, its back-offs, and whose turn it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from shared.ratelimit.lanes import EXPECTED_FOR, Lane
from shared.ratelimit.messages import ALLOWANCE, COUNTED_WITHIN, HORIZON, LEASED_AHEAD, BackOff, Refusal
from shared.ratelimit.quotas import Quota
from shared.ratelimit.refusals import BY_CONCURRENCY, BY_RATE, back_off_of, is_whole

from ingress.ratelimit.shares import Shares
from ingress.ratelimit.use import Use
from ingress.ratelimit.windows import Limit, Window

KEPT_FREE = 0.25
"""Calls that will come soon are served only while this share of the account's slots is free: no quota lies idle in one
worker while work waits in another.
"""

SPACING = 0.95
"""Calls behind the live ones go out so far apart, as a part of what the quota gives each: a burst would fill the
window, and a live call would wait until that has passed. Less than a whole part, so that what was lost is caught up.
"""
SPACED_FROM, KEPT_FROM = 10, 20
"""Places in a window from which on calls are spaced, and places are kept for live ones; from the second number on one
is enough, for the next comes free in a twentieth of a second (decision 0031).
"""
KEPT_OF_FEW = 4
"""Places that are kept where a window has fewer, less the live calls in it, and one at least: so many calls a live
event makes, and for each it would wait a tenth of a second (decision 0035).
"""
CATCH_UP = 0.1
"""Seconds of such calls that go out at once where nobody asked for them in time, or messages came late; none where no
place is kept for a live call, which would wait for them.
"""
BEHIND_AHEAD = 0.04
"""Seconds for which a call behind the live ones is leased ahead: until then a live one finds its place free."""

Turn = tuple[str, str]
"""A worker and an operation."""


class Account:
    """`ready_at`: nothing is leased before, because leases of a former allocator may still be used."""

    def __init__(self, quota: Quota, began: float, running_at_most: float) -> None:
        self.quota = quota
        self.window = Window(quota.rate)
        self.operations: dict[str, Window] = {}
        self.concurrency = Limit(quota.concurrency)
        self.operation_concurrency: dict[str, Limit] = {}
        self.use = Use()
        self.ready_at = began + HORIZON + COUNTED_WITHIN + self.window.seconds
        self._running_at_most = running_at_most
        self._running: dict[int, tuple[float, str]] = {}
        self._backed_off: dict[str, float] = {}
        self._shares = Shares(quota.background_share)
        self._last_turn: dict[tuple[Lane, Turn], int] = {}
        self._turns = 0
        self._spaced_until = float("-inf")
        self._live_until = float("-inf")
        self._live_calls: list[float] = []

    def change(self, quota: Quota) -> None:
        """What a person set at a connection holds at once; what 429s lowered climbs to it."""
        if quota == self.quota:
            return
        if quota.background_share != self.quota.background_share:
            self._shares = Shares(quota.background_share)
        self.quota = quota
        self.window.rate.quota = quota.rate

    # --- what becomes of leases ---

    def lease(self, lease: int, operation: str, last_use: float, now: float) -> None:
        """A lease goes out. Until it is reported it counts as used at the last possible moment."""
        self._counted(lease, operation, last_use + COUNTED_WITHIN, now)
        self.use.add(operation, 1, now)
        self._running[lease] = (last_use + self._running_at_most, operation)

    def used(self, lease: int, operation: str, sent: float, answered: float | None, excess: float, now: float) -> None:
        """A call went out at `sent`; `answered` None while it runs. A second report changes nothing."""
        latest = sent + (COUNTED_WITHIN if answered is None else min(max(ALLOWANCE, excess), COUNTED_WITHIN))
        self._counted(lease, operation, latest if answered is None else min(answered, latest), now)
        if answered is None:
            self._running[lease] = (sent + self._running_at_most, operation)
        else:
            self._running.pop(lease, None)

    def returned(self, lease: int, operation: str, now: float) -> None:
        """It was not used, and will not be."""
        self.use.add(operation, -1, now)
        self.window.give_back(lease)
        for window in self.operations.values():
            window.give_back(lease)
        self._running.pop(lease, None)

    def _counted(self, lease: int, operation: str, at: float, now: float) -> None:
        self.window.take(lease, at, now)
        if window := self._operation(operation):
            window.take(lease, at, now)

    def _operation(self, operation: str) -> Window | None:
        if not operation or not self.quota.operation_rate:
            return None
        return self.operations.setdefault(operation, Window(self.quota.operation_rate))

    # --- what a 429 does ---

    def refused(self, refusal: Refusal, now: float) -> BackOff | None:
        """Lower what the reason names. Returns the pause that everybody must keep, None if nobody must."""
        whole = is_whole(refusal.reason)
        if refusal.reason in BY_RATE:
            window = self.window if whole else self._operation(refusal.operation)
            if window:
                window.rate.lower(now)
        elif refusal.reason in BY_CONCURRENCY:
            self._concurrency(refusal.operation, whole=whole).lower(now)
        back_off = back_off_of(refusal)
        if back_off:
            self._backed_off[back_off.operation] = max(
                now + back_off.seconds, self._backed_off.get(back_off.operation, now)
            )
        return back_off

    def _concurrency(self, operation: str, *, whole: bool) -> Limit:
        if whole:
            return self.concurrency
        return self.operation_concurrency.setdefault(operation, Limit(self.quota.concurrency))

    # --- when, and whose ---

    def next_place(self, now: float) -> float:
        """When the account as a whole can take one more call; infinite until a report comes."""
        if self._full(self.concurrency, self._running.values(), now):
            return float("inf")
        return max(self.window.next_place(now), self._backed_off.get("", now), self.ready_at)

    def next_place_of(self, operation: str, now: float) -> float:
        """The same for one operation."""
        limit = self.operation_concurrency.get(operation)
        own = [r for r in self._running.values() if r[1] == operation]
        if limit and self._full(limit, own, now):
            return float("inf")
        window = self._operation(operation)
        return max(window.next_place(now) if window else now, self._backed_off.get(operation, now))

    def _full(self, limit: Limit, running: Iterable[tuple[float, str]], now: float) -> bool:
        if not limit.quota:
            return False
        return sum(1 for until, _ in running if until > now) >= max(1, int(limit.present(now) + 1e-9))

    def roomy(self, now: float) -> bool:
        """Whether so much is free that calls may be served before they are there."""
        slots = self.window.slots(now)
        return slots - self.window.taken(now) > slots * KEPT_FREE

    def pick(self, wanting: dict[Lane, list[Turn]]) -> tuple[Lane, Turn]:
        """Who gets the next lease, of at least one: the lane by its share, in it whoever waits longest for a turn."""
        lane = self._shares.next(wanting.keys())
        turn = min(wanting[lane], key=lambda turn: self._last_turn.get((lane, turn), 0))
        self._turns += 1
        self._last_turn[lane, turn] = self._turns
        return lane, turn

    def behind_live(self, lane: Lane, now: float, *, beside: bool) -> float:
        """When a call of a lane leaves a place for a live one: at any time if it is one. `beside` live ones that wait
        it is the lanes' shares that decide, and the next place is as good as any.
        """
        if lane == "live":
            return float("-inf")
        kept = 0 if beside else self._kept_for_live(now)
        return max(self._spaced_until, self.window.next_place(now, kept))

    def _kept_for_live(self, now: float) -> int:
        """Places that other calls leave free, for a while after each live one."""
        slots = self.window.slots(now)
        if slots < SPACED_FROM or now >= self._live_until:
            return 0
        if slots >= KEPT_FROM:
            return 1
        return max(1, KEPT_OF_FEW - sum(1 for at in self._live_calls if at > now - self.window.seconds))

    def is_due(self, lane: Lane, now: float, *, beside: bool) -> bool:
        """Whether a lane's turn has come. One behind live ones is leased hardly ahead: until then its place is free."""
        return self.behind_live(lane, now, beside=beside) - now <= (LEASED_AHEAD if beside else BEHIND_AHEAD)

    def space(self, lane: Lane, at: float, now: float) -> None:
        """A call of a lane goes out at a time."""
        slots = self.window.slots(now)
        if lane == "live":
            self._live_until = at + EXPECTED_FOR
            self._live_calls.append(at)
        elif slots >= SPACED_FROM:
            lost = CATCH_UP if slots >= KEPT_FROM else 0.0
            left = self.window.rate.present(now) - self._kept_for_live(now)
            self._spaced_until = max(self._spaced_until, at - lost) + SPACING / left

    def lease_at(self, lane: Lane, operation: str, now: float) -> float:
        """When the next call of a lane can be leased."""
        live = max(self.next_place(now), self.next_place_of(operation, now)) - LEASED_AHEAD
        return max(live, self.behind_live(lane, now, beside=False) - BEHIND_AHEAD)

    def soon(self, at: float, now: float) -> bool:
        """Whether a key that comes free at a time can be leased now."""
        return at - now <= LEASED_AHEAD

    def status(self, now: float) -> dict[str, float]:
        """The limits as they are now, after 429s, and their use; 0 is no limit. `back_off`: seconds of pause left."""
        concurrency = self.concurrency
        return {
            "rate": round(self.window.rate.present(now), 2) if self.window.rate.quota else 0.0,
            "concurrency": int(concurrency.present(now)) if concurrency.quota else 0,
            "under_way": sum(1 for until, _ in self._running.values() if until > now),
            "quota": self.quota.rate,
            "last_minute": self.use.last_minute(now),
            "back_off": round(max(0.0, self._backed_off.get("", now) - now), 2),
        }

    def forget(self, now: float) -> None:
        """Drop what does not count any more."""
        self.window.forget(now)
        for window in self.operations.values():
            window.forget(now)
        self._running = {lease: r for lease, r in self._running.items() if r[0] > now}
        self._live_calls = [at for at in self._live_calls if at > now - self.window.seconds]
        if len(self._last_turn) > 1000:
            self._last_turn.clear()
