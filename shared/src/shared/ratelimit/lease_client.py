"""A worker's half of the limits: leases at hand, what becomes of them, and its messages to the allocator. Pure.

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
    ALLOCATOR_TIMEOUT,
    COUNTED_WITHIN,
    HEARTBEAT,
    HORIZON,
    LEASE_TTL,
    BackOff,
    CallReport,
    Demand,
    Grant,
    Grants,
    LeaseRequest,
    Refusal,
    UntrackedCall,
)
from shared.ratelimit.quotas import Quota, window_of
from shared.ratelimit.refusals import back_off_of

LOOK_AHEAD = 0.15
"""A busy worker asks ahead for the calls that so many seconds will bring, if it goes on as in the last second."""
REPORT_WITHIN = 0.03
"""Seconds within which an answer is reported: until then its call takes a slot of the account's concurrency."""
ENOUGH = 20
"""So many answers show how fast an operation can be, within `CLOSE` seconds; that wanes by `WANES` seconds a second."""
CLOSE = 0.02
WANES = 0.0002


class Key(NamedTuple):
    """What a lease is for."""

    account: str
    operation: str
    lane: Lane


@dataclass(eq=False)
class Lease:
    """Leave for one call. Of epoch -1: under the fallback share. Times are the worker's; None: not yet."""

    id: int
    epoch: int
    key: Key
    usable: float
    until: float
    sent: float | None = None
    answered: float | None = None
    excess: float = 0.0
    reported_in: int | None = None
    """Number of the demand that reported what became of it, None while that is due."""


class Pace:
    """How fast the answers of one operation are at best. What is known of it wanes: networks change."""

    def __init__(self) -> None:
        self._fastest, self._at, self._seen = 0.0, 0.0, 0

    def excess(self, took: float, now: float) -> float:
        """By how much an answer was slower than the fastest; its whole time until enough answers were seen."""
        self._seen += 1
        known = self._fastest + (now - self._at) * WANES if self._seen > 1 else took
        self._fastest, self._at = min(took, known), now
        excess = took if self._seen < ENOUGH else took - self._fastest + CLOSE
        return math.ceil(min(excess, COUNTED_WITHIN) * 10_000) / 10_000


class LeaseClient:
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
        self._leases: dict[Key, list[Lease]] = {}
        self._calls: deque[Lease] = deque()
        self._back: dict[int, Lease] = {}
        self._refusals: dict[int, tuple[Refusal, int | None]] = {}
        self._refused = 0
        self._fallback_ids = 0
        self._paces: dict[tuple[str, str], Pace] = {}
        self._backed_off: dict[tuple[str, str], float] = {}
        self._next_fallback: dict[str, float] = {}
        self._answered_n = 0
        self._last_requested: dict[Key, int] = {}
        self._requested = False
        self._last_message = float("-inf")
        self.counts: dict[tuple[str, Lane, str], int] = {}

    # --- what the allocator says ---

    def receive(self, message: Grants, now: float) -> None:
        """Take what is ours. What a former allocator still says is not answered_n."""
        if message.by:
            if message.by != self.worker:
                self._take_back_offs(message.back_offs, now)
            return
        if message.epoch < self._epoch:
            return
        if message.epoch > self._epoch:
            self._begin_epoch(message.epoch, now)
        answered_n = message.answers.get(self.worker, 0)
        sent = self._answered(answered_n)
        self._take_back_offs(message.back_offs, now)
        leased_at = self._clock.here(message.at, now)
        if message.n <= self._got:
            return
        self._got = message.n
        for grant in message.grants:
            if grant.worker == self.worker:
                self._take_grant(grant, sent, max(now, leased_at + grant.after))

    def _take_grant(self, grant: Grant, sent: float | None, usable: float) -> None:
        key = Key(grant.account, grant.operation, grant.lane)
        until = min(usable + LEASE_TTL, (sent if sent is not None else float("-inf")) + HORIZON)
        lease = Lease(grant.id, self._epoch, key, usable, until)
        self._count(key, "leased")
        self._last_requested[key] = self._last_requested.get(key, 0) - 1
        if until <= usable:
            self._give_back(lease)
        else:
            self._leases.setdefault(key, []).append(lease)

    def _answered(self, answered_n: int) -> float | None:
        """When the demand was sent that is answered now; what it reported is not reported again."""
        sent = self._sent_at.get(answered_n)
        if sent is None:
            return None
        self._answered_n = max(self._answered_n, answered_n)
        for n in [n for n in self._sent_at if n < answered_n]:
            del self._sent_at[n]
        later = [at for n, at in self._sent_at.items() if n > answered_n]
        self._unanswered_since = min(later) if later and self._unanswered_since is not None else None
        self._back = {i: p for i, p in self._back.items() if p.reported_in is None or p.reported_in > answered_n}
        self._refusals = {
            no: (r, sent_in) for no, (r, sent_in) in self._refusals.items() if sent_in is None or sent_in > answered_n
        }
        return sent

    def _begin_epoch(self, epoch: int, now: float) -> None:
        """Leases of a former allocator end with it; its calls that may still count are reported to the new one."""
        self._epoch, self._got, self._clock = epoch, 0, OtherClock()
        self._leases.clear()
        self._back.clear()
        for call in self._calls:
            if call.epoch != -1:
                call.epoch = -1
                self._fallback_ids -= 1
                call.id = self._fallback_ids
            call.reported_in = None
        self._refusals = {no: (refusal, None) for no, (refusal, _) in self._refusals.items()}
        self._last_requested.clear()
        self._unanswered_since = None
        self._last_message = float("-inf")

    # --- calls ---

    def take(self, key: Key, now: float) -> Lease | None:
        """Leave for one call now, if there is any. It must be begun at once, or given back."""
        if self.backed_off_until(key.account, key.operation) > now:
            return None
        leases = self._leases.get(key, [])
        for lease in leases:
            if lease.usable <= now < lease.until:
                leases.remove(lease)
                return lease
        return self._take_fallback(key, now)

    def _take_fallback(self, key: Key, now: float) -> Lease | None:
        if self._fallback_at(key.account) > now:
            return None
        self._next_fallback[key.account] = now + 1 / (self._share * self._quota_of(key.account).rate)
        self._fallback_ids -= 1
        return Lease(self._fallback_ids, -1, key, now, now + LEASE_TTL)

    def begin(self, lease: Lease, now: float) -> bool:
        """The call is sent now. False if that came too late: the lease goes back, and another must be taken."""
        if now >= lease.until or self.backed_off_until(lease.key.account, lease.key.operation) > now:
            self.give_back(lease)
            return False
        if lease.epoch not in (-1, self._epoch):
            return False
        lease.sent = now
        self._calls.append(lease)
        self._count(lease.key, "used" if lease.epoch != -1 else "fallback")
        return True

    def end(self, lease: Lease, now: float, what: str = "") -> None:
        """The call was answered, or given up. `what` is the operation, also where it has no limit of its own."""
        lease.answered = now
        lease.reported_in = None
        if lease.sent is not None:
            pace = self._paces.setdefault((lease.key.account, what or lease.key.operation), Pace())
            lease.excess = pace.excess(now - lease.sent, now)

    def give_back(self, lease: Lease) -> None:
        """It was taken and not used."""
        if lease.epoch == self._epoch:
            self._give_back(lease)

    def _give_back(self, lease: Lease) -> None:
        self._back[lease.id] = lease
        self._count(lease.key, "returned")

    def refused(self, account: str, operation: str, reason: str, retry_after: float | None) -> Grants | None:
        """A 429 of the kind that concerns others too: it is reported to the allocator.

        Returns what the other workers are to receive at once, without the way over the allocator; None if nothing is.
        """
        self._refused += 1
        refusal = Refusal(self._refused, account, operation, reason, retry_after)
        self._refusals[self._refused] = (refusal, None)
        back_off = back_off_of(refusal)
        return Grants(back_offs=[back_off], by=self.worker) if back_off else None

    def back_off(self, account: str, until: float, operation: str = "") -> None:
        """Nobody in this worker calls the account, or its operation, until then."""
        self._backed_off[account, operation] = max(until, self._backed_off.get((account, operation), until))

    def _take_back_offs(self, back_offs: list[BackOff], now: float) -> None:
        for back_off in back_offs:
            self.back_off(back_off.account, now + back_off.seconds, back_off.operation)

    def backed_off_until(self, account: str, operation: str) -> float:
        """When calls may go again; long ago if nothing holds them."""
        never = float("-inf")
        return max(self._backed_off.get((account, ""), never), self._backed_off.get((account, operation), never))

    # --- the fallback share ---

    def out_of_reach(self, now: float) -> bool:
        """Whether demands were not answered for so long that the worker goes on by itself."""
        return self._unanswered_since is not None and now - self._unanswered_since >= ALLOCATOR_TIMEOUT

    def _fallback_at(self, account: str) -> float:
        """When the next call under the fallback share may go: not before leased ones are out of the window."""
        quota = self._quota_of(account)
        if self._unanswered_since is None or not self._share:
            return float("inf")
        # Workers lose the allocator all at once: each begins at a moment of its own.
        phase = (zlib.crc32(self.worker.encode()) % 997 / 997) / (self._share * quota.rate)
        return max(
            self._unanswered_since + ALLOCATOR_TIMEOUT + COUNTED_WITHIN + quota.window + phase,
            self._next_fallback.get(account, float("-inf")),
        )

    # --- messages ---

    def message(self, waiting: Mapping[Key, int], now: float) -> Demand | None:
        """The next demand if one is due: something to report, or calls that wait."""
        self._sweep(now)
        if now < self.due(waiting, now):
            return None
        self._n += 1
        requests = self._requests(waiting, now)
        reports, untracked = self._reports(now)
        for lease in self._back.values():
            lease.reported_in = lease.reported_in or self._n
        self._refusals = {no: (refusal, sent_in or self._n) for no, (refusal, sent_in) in self._refusals.items()}
        self._sent_at[self._n] = now
        # After a pause nobody knows whether the allocator is there: that it once was not does not count.
        if requests and (self._unanswered_since is None or now - self._last_message > ALLOCATOR_TIMEOUT):
            self._unanswered_since = now
        self._last_requested = {Key(w.account, w.operation, w.lane): w.waiting for w in requests}
        self._requested, self._last_message = bool(requests), now
        refusals = [refusal for refusal, _ in self._refusals.values()]
        return Demand(
            self.worker, self._n, self._epoch, self._got, requests, reports, list(self._back), untracked, refusals, now
        )

    def due(self, waiting: Mapping[Key, int], now: float) -> float:
        """When the next demand is to be sent; never if there is nothing to say."""
        requests = self._requests(waiting, now)
        if any(w.waiting > max(0, self._last_requested.get(Key(w.account, w.operation, w.lane), 0)) for w in requests):
            return now
        reports = [p.reported_in for p in self._back.values()] + [sent_in for _, sent_in in self._refusals.values()]
        if any(sent_in is None for sent_in in reports):
            return now
        calls = [(c, c.sent) for c in self._calls if c.reported_in is None or c.reported_in > self._answered_n]
        soonest = float("inf")
        if requests or self._requested or reports or any(call.reported_in is not None for call, _ in calls):
            soonest = self._last_message + HEARTBEAT
        for call, sent in calls:
            if call.reported_in is None and sent is not None:
                at = sent + COUNTED_WITHIN if call.answered is None else call.answered
                soonest = min(soonest, max(self._last_message, at) + REPORT_WITHIN)
        return max(soonest, now)

    def next_turn(self, waiting: Mapping[Key, int], now: float) -> float:
        """When something may change by itself: a lease that can be used or has lapsed, a back-off that ends."""
        times = [self.due(waiting, now)]
        for leases in self._leases.values():
            times += [p.until if p.usable <= now else p.usable for p in leases]
        for key, count in waiting.items():
            if count:
                held = self.backed_off_until(key.account, key.operation)
                times += [held] if held > now else []
                times.append(max(self._fallback_at(key.account), held))
        return min(times)

    def _requests(self, waiting: Mapping[Key, int], now: float) -> list[LeaseRequest]:
        recent: dict[Key, int] = {}
        for call in self._calls:
            if call.sent is not None and call.sent > now - 1.0:
                recent[call.key] = recent.get(call.key, 0) + 1
        found = []
        for key in sorted({*waiting, *recent}, key=lambda k: (k.account, LANES.index(k.lane), k.operation)):
            at_hand = sum(1 for p in self._leases.get(key, ()) if p.until > now)
            wanted = waiting.get(key, 0)
            if self.backed_off_until(key.account, key.operation) > now:
                continue
            ahead = int(recent.get(key, 0) * LOOK_AHEAD)
            request = LeaseRequest(*key, max(0, wanted - at_hand), max(0, ahead - max(0, at_hand - wanted)))
            if request.waiting or request.ahead:
                found.append(request)
        return found

    def _reports(self, now: float) -> tuple[list[CallReport], list[UntrackedCall]]:
        reports, untracked = [], []
        for call in self._calls:
            sent, answered = call.sent, call.answered
            if sent is None or (call.reported_in is not None and call.reported_in <= self._answered_n):
                continue  # the allocator has its report
            call.reported_in = call.reported_in or self._n
            ago, since = _age(now - sent), None if answered is None else _age(now - answered)
            if call.epoch == -1:
                untracked.append(UntrackedCall(call.id, call.key.account, call.key.operation, ago, since, call.excess))
            else:
                reports.append(CallReport(call.id, ago, since, call.excess))
        return reports, untracked

    def _sweep(self, now: float) -> None:
        """Lapsed leases go back; calls are forgotten when they can count nowhere any more."""
        for key, leases in list(self._leases.items()):
            for lease in [p for p in leases if p.until <= now]:
                leases.remove(lease)
                self._give_back(lease)
            if not leases:
                del self._leases[key]
        accounts = {call.key.account for call in self._calls}
        counts_since = {name: now - 2 * window_of(self._quota_of(name).rate) - HORIZON for name in accounts}
        self._calls = deque(c for c in self._calls if c.answered is None or c.answered > counts_since[c.key.account])
        for n in [n for n, at in self._sent_at.items() if at < now - 30.0]:
            del self._sent_at[n]

    def _count(self, key: Key, what: str) -> None:
        place = (key.account, key.lane, what)
        self.counts[place] = self.counts.get(place, 0) + 1


def _age(seconds: float) -> float:
    """An age in tenths of milliseconds, never more than it is: what seems younger counts longer, which is safe."""
    return int(seconds * 10_000) / 10_000
