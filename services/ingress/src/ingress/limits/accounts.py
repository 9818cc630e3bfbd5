"""One app account at the allocator: its windows, its concurrency, its holds, and whose turn it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from shared.ratelimit.lanes import Lane
from shared.ratelimit.messages import ALLOWANCE, HORIZON, LATEST, LEASED_AHEAD, Hold, Refusal
from shared.ratelimit.quotas import Quota
from shared.ratelimit.refusals import BY_CONCURRENCY, BY_RATE, hold_of, is_whole

from ingress.limits.shares import Shares
from ingress.limits.windows import Limit, Window

KEPT_FREE = 0.25
"""Calls that will come soon are served only while this share of the account's places is free: no quota lies idle in one
worker while work waits in another.
"""

Turn = tuple[str, str]
"""A worker and an operation."""


class Account:
    """`ready_at`: nothing is leased before, because permits of a former allocator may still be used."""

    def __init__(self, quota: Quota, began: float, running_at_most: float) -> None:
        self.quota = quota
        self.window = Window(quota.rate)
        self.operations: dict[str, Window] = {}
        self.concurrency = Limit(quota.concurrency)
        self.operation_concurrency: dict[str, Limit] = {}
        self.ready_at = began + HORIZON + LATEST + self.window.seconds
        self._running_at_most = running_at_most
        self._running: dict[int, tuple[float, str]] = {}
        self._held: dict[str, float] = {}
        self._shares = Shares()
        self._last_turn: dict[tuple[Lane, Turn], int] = {}
        self._turns = 0

    # --- what becomes of permits ---

    def lease(self, permit: int, operation: str, last_use: float, now: float) -> None:
        """A permit is given out. Until something is heard of it it counts as used at the last moment."""
        self._counted(permit, operation, last_use + LATEST, now)
        self._running[permit] = (last_use + self._running_at_most, operation)

    def used(self, permit: int, operation: str, sent: float, answered: float | None, late: float, now: float) -> None:
        """A call went out at `sent`; `answered` None while it runs. Twice told is once."""
        latest = sent + (LATEST if answered is None else min(max(ALLOWANCE, late), LATEST))
        self._counted(permit, operation, latest if answered is None else min(answered, latest), now)
        if answered is None:
            self._running[permit] = (sent + self._running_at_most, operation)
        else:
            self._running.pop(permit, None)

    def returned(self, permit: int) -> None:
        """It was not used, and will not be."""
        self.window.give_back(permit)
        for window in self.operations.values():
            window.give_back(permit)
        self._running.pop(permit, None)

    def _counted(self, permit: int, operation: str, at: float, now: float) -> None:
        self.window.take(permit, at, now)
        if window := self._operation(operation):
            window.take(permit, at, now)

    def _operation(self, operation: str) -> Window | None:
        if not operation or not self.quota.operation_rate:
            return None
        return self.operations.setdefault(operation, Window(self.quota.operation_rate))

    # --- what a 429 does ---

    def refused(self, refusal: Refusal, now: float) -> Hold | None:
        """Lower what the reason names. Returns the silence that everybody must keep, None if nobody must."""
        whole = is_whole(refusal.reason)
        if refusal.reason in BY_RATE:
            window = self.window if whole else self._operation(refusal.operation)
            if window:
                window.rate.lower(now)
        elif refusal.reason in BY_CONCURRENCY:
            self._concurrency(refusal.operation, whole=whole).lower(now)
        hold = hold_of(refusal)
        if hold:
            self._held[hold.operation] = max(now + hold.seconds, self._held.get(hold.operation, now))
        return hold

    def _concurrency(self, operation: str, *, whole: bool) -> Limit:
        if whole:
            return self.concurrency
        return self.operation_concurrency.setdefault(operation, Limit(self.quota.concurrency))

    # --- when, and whose ---

    def next_place(self, now: float) -> float:
        """When the account as a whole can take one more call; infinite if only a report can tell."""
        if self._full(self.concurrency, self._running.values(), now):
            return float("inf")
        return max(self.window.next_place(now), self._held.get("", now), self.ready_at)

    def next_place_of(self, operation: str, now: float) -> float:
        """The same for one operation."""
        limit = self.operation_concurrency.get(operation)
        own = [r for r in self._running.values() if r[1] == operation]
        if limit and self._full(limit, own, now):
            return float("inf")
        window = self._operation(operation)
        return max(window.next_place(now) if window else now, self._held.get(operation, now))

    def _full(self, limit: Limit, running: Iterable[tuple[float, str]], now: float) -> bool:
        if not limit.quota:
            return False
        return sum(1 for until, _ in running if until > now) >= max(1, int(limit.present(now) + 1e-9))

    def roomy(self, now: float) -> bool:
        """Whether so much is free that calls may be served before they are there."""
        places = self.window.places(now)
        return places - self.window.taken(now) > places * KEPT_FREE

    def pick(self, wanting: dict[Lane, list[Turn]]) -> tuple[Lane, Turn]:
        """Who gets the next permit, of at least one: the lane by its share, in it whoever waits longest for a turn."""
        lane = self._shares.next(wanting.keys())
        turn = min(wanting[lane], key=lambda turn: self._last_turn.get((lane, turn), 0))
        self._turns += 1
        self._last_turn[lane, turn] = self._turns
        return lane, turn

    def soon(self, at: float, now: float) -> bool:
        """Whether a place that comes free at a time can be leased now."""
        return at - now <= LEASED_AHEAD

    def status(self, now: float) -> dict[str, float]:
        """The limits as they are now, after 429s; 0 is no limit. `held`: seconds of silence left."""
        concurrency = self.concurrency
        return {
            "rate": round(self.window.rate.present(now), 2) if self.window.rate.quota else 0.0,
            "concurrency": int(concurrency.present(now)) if concurrency.quota else 0,
            "under_way": sum(1 for until, _ in self._running.values() if until > now),
            "held": round(max(0.0, self._held.get("", now) - now), 2),
        }

    def forget(self, now: float) -> None:
        """Drop what does not count any more."""
        self.window.forget(now)
        for window in self.operations.values():
            window.forget(now)
        self._running = {permit: r for permit, r in self._running.items() if r[0] > now}
        if len(self._last_turn) > 1000:
            self._last_turn.clear()
