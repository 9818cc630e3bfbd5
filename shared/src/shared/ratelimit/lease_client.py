"""A worker's half of the limits: permits at hand, what becomes of them, and what it tells the allocator. Pure.

Every function takes `now`, in seconds of the worker's own monotonic clock. Nothing here waits or sends.
"""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from shared.ratelimit.clocks import OtherClock
from shared.ratelimit.lanes import LANES, Lane
from shared.ratelimit.messages import (
    HEARTBEAT,
    HORIZON,
    LATEST,
    REACH,
    SPELL,
    Demand,
    Grant,
    Hold,
    Leases,
    Own,
    Refusal,
    Used,
    Wish,
)
from shared.ratelimit.quotas import Quota, window_of
from shared.ratelimit.refusals import hold_of

LOOK_AHEAD = 0.15
"""A busy worker asks ahead for the calls that so many seconds will bring, if it goes on as in the last second."""
REPORT_WITHIN = 0.03
"""An answer is told so soon: its call stands in the way of another at the account's concurrency until then."""
ENOUGH = 20
"""So many answers tell how fast an operation can be, within `CLOSE` seconds; that wanes by `WANES` seconds a second."""
CLOSE = 0.02
WANES = 0.0002


class Key(NamedTuple):
    """What a permit is for."""

    account: str
    operation: str
    lane: Lane


@dataclass(eq=False)
class Permit:
    """Leave for one call. Of epoch -1: under the fallback share. Times are the worker's; None: not yet."""

    id: int
    epoch: int
    key: Key
    usable: float
    until: float
    sent: float | None = None
    answered: float | None = None
    late: float = 0.0
    told: int | None = None
    """The demand that told what became of it, None while that is to be told."""


class Pace:
    """How fast the answers of one operation are at best. What is known of it wanes: networks change."""

    def __init__(self) -> None:
        self._fastest, self._at, self._seen = 0.0, 0.0, 0

    def late(self, took: float, now: float) -> float:
        """By how much an answer was slower than the fastest; its whole time until enough answers were seen."""
        self._seen += 1
        known = self._fastest + (now - self._at) * WANES if self._seen > 1 else took
        self._fastest, self._at = min(took, known), now
        late = took if self._seen < ENOUGH else took - self._fastest + CLOSE
        return math.ceil(min(late, LATEST) * 10_000) / 10_000


class Purse:
    """One per process. `worker` must be a name that no other process has, nor the same one after its restart."""

    def __init__(self, worker: str, quota_of: Callable[[str], Quota], fallback_share: float) -> None:
        self.worker = worker
        self._quota_of = quota_of
        self._share = fallback_share
        self._n = 0
        self._epoch = -1
        self._clock = OtherClock()
        self._got = 0
        self._sent_at: dict[int, float] = {}
        self._unanswered_since: float | None = None
        self._pocket: dict[Key, list[Permit]] = {}
        self._calls: deque[Permit] = deque()
        self._back: dict[int, Permit] = {}
        self._refusals: dict[int, tuple[Refusal, int | None]] = {}
        self._refused = 0
        self._own_ids = 0
        self._paces: dict[tuple[str, str], Pace] = {}
        self._held: dict[tuple[str, str], float] = {}
        self._next_own: dict[str, float] = {}
        self._heard = 0
        self._told: dict[Key, int] = {}
        self._wished = False
        self._last_message = float("-inf")
        self.counts: dict[tuple[str, Lane, str], int] = {}

    # --- what the allocator says ---

    def hear(self, message: Leases, now: float) -> None:
        """Take what is ours. What a former allocator still says is not heard."""
        if message.by:
            if message.by != self.worker:
                self._keep_silent(message.holds, now)
            return
        if message.epoch < self._epoch:
            return
        if message.epoch > self._epoch:
            self._begin_epoch(message.epoch, now)
        heard = message.heard.get(self.worker, 0)
        sent = self._answered(heard)
        self._keep_silent(message.holds, now)
        leased_at = self._clock.here(message.at, now)
        if message.n <= self._got:
            return
        self._got = message.n
        for grant in message.grants:
            if grant.worker == self.worker:
                self._take_grant(grant, sent, max(now, leased_at + grant.after))

    def _take_grant(self, grant: Grant, sent: float | None, usable: float) -> None:
        key = Key(grant.account, grant.operation, grant.lane)
        until = min(usable + SPELL, (sent if sent is not None else float("-inf")) + HORIZON)
        permit = Permit(grant.id, self._epoch, key, usable, until)
        self._count(key, "leased")
        self._told[key] = self._told.get(key, 0) - 1
        if until <= usable:
            self._give_back(permit)
        else:
            self._pocket.setdefault(key, []).append(permit)

    def _answered(self, heard: int) -> float | None:
        """When the demand was sent that is answered now; what it told needs no telling again."""
        sent = self._sent_at.get(heard)
        if sent is None:
            return None
        self._heard = max(self._heard, heard)
        for n in [n for n in self._sent_at if n < heard]:
            del self._sent_at[n]
        later = [at for n, at in self._sent_at.items() if n > heard]
        self._unanswered_since = min(later) if later and self._unanswered_since is not None else None
        self._back = {i: p for i, p in self._back.items() if p.told is None or p.told > heard}
        self._refusals = {no: (r, told) for no, (r, told) in self._refusals.items() if told is None or told > heard}
        return sent

    def _begin_epoch(self, epoch: int, now: float) -> None:
        """Permits of a former allocator end with it; its calls that may still count are told to the new one."""
        self._epoch, self._got, self._clock = epoch, 0, OtherClock()
        self._pocket.clear()
        self._back.clear()
        for call in self._calls:
            if call.epoch != -1:
                call.epoch = -1
                self._own_ids -= 1
                call.id = self._own_ids
            call.told = None
        self._refusals = {no: (refusal, None) for no, (refusal, _) in self._refusals.items()}
        self._told.clear()
        self._unanswered_since = None
        self._last_message = float("-inf")

    # --- calls ---

    def take(self, key: Key, now: float) -> Permit | None:
        """Leave for one call now, if there is any. It must be begun at once, or given back."""
        if self.held_until(key.account, key.operation) > now:
            return None
        permits = self._pocket.get(key, [])
        for permit in permits:
            if permit.usable <= now < permit.until:
                permits.remove(permit)
                return permit
        return self._take_own(key, now)

    def _take_own(self, key: Key, now: float) -> Permit | None:
        if self._own_at(key.account) > now:
            return None
        self._next_own[key.account] = now + 1 / (self._share * self._quota_of(key.account).rate)
        self._own_ids -= 1
        return Permit(self._own_ids, -1, key, now, now + SPELL)

    def begin(self, permit: Permit, now: float) -> bool:
        """The call is sent now. False if that came too late: the permit goes back, and another must be taken."""
        if now >= permit.until or self.held_until(permit.key.account, permit.key.operation) > now:
            self.give_back(permit)
            return False
        if permit.epoch not in (-1, self._epoch):
            return False
        permit.sent = now
        self._calls.append(permit)
        self._count(permit.key, "used" if permit.epoch != -1 else "fallback")
        return True

    def end(self, permit: Permit, now: float, what: str = "") -> None:
        """The call was answered, or given up. `what` is the operation, also where it has no limit of its own."""
        permit.answered = now
        permit.told = None
        if permit.sent is not None:
            pace = self._paces.setdefault((permit.key.account, what or permit.key.operation), Pace())
            permit.late = pace.late(now - permit.sent, now)

    def give_back(self, permit: Permit) -> None:
        """It was taken and not used."""
        if permit.epoch == self._epoch:
            self._give_back(permit)

    def _give_back(self, permit: Permit) -> None:
        self._back[permit.id] = permit
        self._count(permit.key, "returned")

    def refused(self, account: str, operation: str, reason: str, retry_after: float | None) -> Leases | None:
        """A 429 of the kind that concerns others too: it is told to the allocator.

        Returns what the other workers are to hear at once, without the way over the allocator; None if nothing is.
        """
        self._refused += 1
        refusal = Refusal(self._refused, account, operation, reason, retry_after)
        self._refusals[self._refused] = (refusal, None)
        hold = hold_of(refusal)
        return Leases(holds=[hold], by=self.worker) if hold else None

    def hold(self, account: str, until: float, operation: str = "") -> None:
        """Nobody in this worker calls the account, or its operation, until then."""
        self._held[account, operation] = max(until, self._held.get((account, operation), until))

    def _keep_silent(self, holds: list[Hold], now: float) -> None:
        for hold in holds:
            self.hold(hold.account, now + hold.seconds, hold.operation)

    def held_until(self, account: str, operation: str) -> float:
        """When calls may go again; long ago if nothing holds them."""
        never = float("-inf")
        return max(self._held.get((account, ""), never), self._held.get((account, operation), never))

    # --- the fallback share ---

    def out_of_reach(self, now: float) -> bool:
        """Whether demands were not answered for so long that the worker goes on by itself."""
        return self._unanswered_since is not None and now - self._unanswered_since >= REACH

    def _own_at(self, account: str) -> float:
        """When the next call under the fallback share may go: not before leased ones are out of the window."""
        quota = self._quota_of(account)
        if self._unanswered_since is None or not self._share:
            return float("inf")
        # Workers lose the allocator all at once: each begins at a moment of its own.
        phase = (zlib.crc32(self.worker.encode()) % 997 / 997) / (self._share * quota.rate)
        return max(
            self._unanswered_since + REACH + LATEST + quota.window + phase, self._next_own.get(account, float("-inf"))
        )

    # --- what is told ---

    def message(self, waiting: Mapping[Key, int], now: float) -> Demand | None:
        """The next demand if one is due: something to tell, or calls that wait."""
        self._sweep(now)
        if now < self.due(waiting, now):
            return None
        self._n += 1
        wishes = self._wishes(waiting, now)
        used, own = self._told_calls(now)
        for permit in self._back.values():
            permit.told = permit.told or self._n
        self._refusals = {no: (refusal, told or self._n) for no, (refusal, told) in self._refusals.items()}
        self._sent_at[self._n] = now
        # After a pause nobody knows whether the allocator is there: that it once was not does not count.
        if wishes and (self._unanswered_since is None or now - self._last_message > REACH):
            self._unanswered_since = now
        self._told = {Key(w.account, w.operation, w.lane): w.waiting for w in wishes}
        self._wished, self._last_message = bool(wishes), now
        refusals = [refusal for refusal, _ in self._refusals.values()]
        return Demand(self.worker, self._n, self._epoch, self._got, wishes, used, list(self._back), own, refusals, now)

    def due(self, waiting: Mapping[Key, int], now: float) -> float:
        """When the next demand is to be sent; never if there is nothing to say."""
        wishes = self._wishes(waiting, now)
        if any(w.waiting > max(0, self._told.get(Key(w.account, w.operation, w.lane), 0)) for w in wishes):
            return now
        reports = [p.told for p in self._back.values()] + [told for _, told in self._refusals.values()]
        if any(told is None for told in reports):
            return now
        calls = [(c, c.sent) for c in self._calls if c.told is None or c.told > self._heard]
        soonest = float("inf")
        if wishes or self._wished or reports or any(call.told is not None for call, _ in calls):
            soonest = self._last_message + HEARTBEAT
        for call, sent in calls:
            if call.told is None and sent is not None:
                at = sent + LATEST if call.answered is None else call.answered
                soonest = min(soonest, max(self._last_message, at) + REPORT_WITHIN)
        return max(soonest, now)

    def next_turn(self, waiting: Mapping[Key, int], now: float) -> float:
        """When something may change by itself: a permit that can be used or has lapsed, a hold that ends."""
        times = [self.due(waiting, now)]
        for permits in self._pocket.values():
            times += [p.until if p.usable <= now else p.usable for p in permits]
        for key, count in waiting.items():
            if count:
                held = self.held_until(key.account, key.operation)
                times += [held] if held > now else []
                times.append(max(self._own_at(key.account), held))
        return min(times)

    def _wishes(self, waiting: Mapping[Key, int], now: float) -> list[Wish]:
        recent: dict[Key, int] = {}
        for call in self._calls:
            if call.sent is not None and call.sent > now - 1.0:
                recent[call.key] = recent.get(call.key, 0) + 1
        found = []
        for key in sorted({*waiting, *recent}, key=lambda k: (k.account, LANES.index(k.lane), k.operation)):
            at_hand = sum(1 for p in self._pocket.get(key, ()) if p.until > now)
            wanted = waiting.get(key, 0)
            if self.held_until(key.account, key.operation) > now:
                continue
            ahead = int(recent.get(key, 0) * LOOK_AHEAD)
            wish = Wish(*key, max(0, wanted - at_hand), max(0, ahead - max(0, at_hand - wanted)))
            if wish.waiting or wish.ahead:
                found.append(wish)
        return found

    def _told_calls(self, now: float) -> tuple[list[Used], list[Own]]:
        used, own = [], []
        for call in self._calls:
            sent, answered = call.sent, call.answered
            if sent is None or (call.told is not None and call.told <= self._heard):
                continue  # that it was told has been heard
            call.told = call.told or self._n
            ago, since = _age(now - sent), None if answered is None else _age(now - answered)
            if call.epoch == -1:
                own.append(Own(call.id, call.key.account, call.key.operation, ago, since, call.late))
            else:
                used.append(Used(call.id, ago, since, call.late))
        return used, own

    def _sweep(self, now: float) -> None:
        """Lapsed permits go back; calls are forgotten when they can count nowhere any more."""
        for key, permits in list(self._pocket.items()):
            for permit in [p for p in permits if p.until <= now]:
                permits.remove(permit)
                self._give_back(permit)
            if not permits:
                del self._pocket[key]
        kept: deque[Permit] = deque()
        for call in self._calls:
            window = window_of(self._quota_of(call.key.account).rate)
            if call.answered is None or call.answered > now - 2 * window - HORIZON:
                kept.append(call)
        self._calls = kept
        for n in [n for n, at in self._sent_at.items() if at < now - 30.0]:
            del self._sent_at[n]

    def _count(self, key: Key, what: str) -> None:
        place = (key.account, key.lane, what)
        self.counts[place] = self.counts.get(place, 0) + 1


def _age(seconds: float) -> float:
    """An age in tenths of milliseconds, never more than it is: what seems younger counts longer, which is safe."""
    return int(seconds * 10_000) / 10_000
