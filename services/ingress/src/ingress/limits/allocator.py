"""The allocator: who may call whom, and when. Pure: it hears demands, and says who gets which permits.

`now` is in seconds of one monotonic clock of its own. An allocator lives for one epoch; the next one knows nothing of
it, and waits until what it leased cannot count any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.ratelimit.clocks import OtherClock
from shared.ratelimit.lanes import Lane
from shared.ratelimit.messages import HEARTBEAT, HORIZON, LEASED_AHEAD, Demand, Grant, Hold, Leases, Own, Used, Wish
from shared.ratelimit.quotas import Quota

from ingress.limits.accounts import Account, Turn

FORGOTTEN_AFTER = 60.0
"""Seconds after which a silent worker is forgotten."""
REST = 0.02
"""Least seconds between two messages that nothing new was heard before: places come free one by one."""


@dataclass
class _Worker:
    """What is known of one process. `given` are permits that its last demand did not know of: number, wish, end."""

    name: str
    heard: int = 0
    heard_at: float = 0.0
    got: int = 0
    answered: int = 0
    refusals: int = 0
    wishes: dict[tuple[str, str, Lane], Wish] = field(default_factory=dict)
    given: list[tuple[int, tuple[str, str, Lane]]] = field(default_factory=list)
    own: dict[int, int] = field(default_factory=dict)
    stranger: bool = False
    clock: OtherClock = field(default_factory=OtherClock)

    def unserved(self, place: tuple[str, str, Lane], *, ahead: bool) -> int:
        """How many more permits it wants for one thing."""
        wish = self.wishes[place]
        return wish.waiting + (wish.ahead if ahead else 0) - sum(1 for _, given in self.given if given == place)


class Allocator:
    """One epoch, begun at `began`. `longest_call`: after so many seconds a call that nobody tells of has ended."""

    def __init__(self, epoch: int, began: float, quota_of: Callable[[str], Quota], longest_call: float) -> None:
        self.epoch = epoch
        self._began = began
        self._quota_of = quota_of
        self._longest_call = longest_call
        self.accounts: dict[str, Account] = {}
        self._workers: dict[str, _Worker] = {}
        self._permits: dict[int, tuple[str, str, float]] = {}
        self._last_id = 0
        self._n = 0
        self._holds: list[Hold] = []
        self._said_at = float("-inf")

    def hear(self, demand: Demand, now: float) -> None:
        """One worker's demand and its reports."""
        worker = self._workers.setdefault(demand.worker, _Worker(demand.worker))
        told_at = worker.clock.here(demand.at, now)
        if demand.epoch != self.epoch:
            worker.stranger, worker.heard_at = True, now  # it will speak again when it has heard of this epoch
            return
        if demand.n <= worker.heard:
            return  # overtaken; the later one told everything that this one tells
        self._reports(worker, demand, told_at, now)
        worker.stranger = False
        worker.heard, worker.heard_at, worker.got = demand.n, now, demand.got
        worker.wishes = {(w.account, w.operation, w.lane): w for w in demand.wishes}
        worker.given = [(n, place) for n, place in worker.given if n > demand.got]

    def _reports(self, worker: _Worker, demand: Demand, told_at: float, now: float) -> None:
        for used in demand.used:
            if known := self._permits.get(used.id):
                self._used(self.account(known[0]), used.id, known[1], used, told_at, now)
        for permit in demand.unused:
            if known := self._permits.pop(permit, None):
                self.account(known[0]).returned(permit)
        for own in demand.own:
            self._used(self.account(own.account), self._own_id(worker, own), own.operation, own, told_at, now)
        for refusal in demand.refusals:
            if refusal.no > worker.refusals:
                worker.refusals = refusal.no
                if hold := self.account(refusal.account).refused(refusal, now):
                    self._holds.append(hold)

    def _used(
        self, account: Account, permit: int, operation: str, told: Used | Own, told_at: float, now: float
    ) -> None:
        answered = None if told.answered is None else told_at - told.answered
        account.used(permit, operation, told_at - told.sent, answered, told.late, now)

    def _own_id(self, worker: _Worker, own: Own) -> int:
        if own.id not in worker.own:
            self._last_id += 1
            worker.own[own.id] = self._last_id
        return worker.own[own.id]

    def account(self, name: str) -> Account:
        """The state of one app account."""
        if name not in self.accounts:
            self.accounts[name] = Account(self._quota_of(name), self._began, self._longest_call)
        return self.accounts[name]

    # --- leasing ---

    def allot(self, now: float) -> Leases | None:
        """What is to be said now, None if nothing is."""
        present = [w for w in self._workers.values() if now - w.heard_at < HORIZON and not w.stranger]
        grants = [grant for name in self._wanted(present) for grant in self._account_grants(name, present, now)]
        owed = [w for w in self._workers.values() if w.stranger or w.heard > w.answered]
        if (
            not grants
            and not self._holds
            and (not owed or now - self._said_at < HEARTBEAT / 2)
            and not self._strangers()
        ):
            return None
        self._n += 1
        for grant in grants:
            worker = self._workers[grant.worker]
            worker.given.append((self._n, (grant.account, grant.operation, grant.lane)))
        for worker in self._workers.values():
            worker.answered, worker.stranger = worker.heard, False
        heard = {w.name: w.heard for w in self._workers.values() if w.heard and now - w.heard_at < 2 * HORIZON}
        holds, self._holds = self._holds, []
        self._said_at = now
        self._forget(now)
        return Leases(self.epoch, self._n, heard, grants, holds, at=now)

    def _strangers(self) -> bool:
        return any(w.stranger for w in self._workers.values())

    def _wanted(self, present: list[_Worker]) -> list[str]:
        return sorted({place[0] for worker in present for place in worker.wishes})

    def _account_grants(self, name: str, present: list[_Worker], now: float) -> list[Grant]:
        account = self.account(name)
        grants: list[Grant] = []
        wishes = {(w.name, place): w for w in present for place in w.wishes if place[0] == name}
        left = {key: w.unserved(key[1], ahead=False) for key, w in wishes.items()}
        ahead = {key: w.unserved(key[1], ahead=True) for key, w in wishes.items()}
        while account.soon(at := account.next_place(now), now):
            places = {op: account.next_place_of(op, now) for op in {place[1] for _, place in wishes}}
            wanting = self._wanting(left, places, account, now)
            if not wanting and account.roomy(now):
                wanting = self._wanting(ahead, places, account, now)
            if not wanting:
                break
            lane, (worker, operation) = account.pick(wanting)
            key = (worker, (name, operation, lane))
            left[key] -= 1
            ahead[key] -= 1
            self._last_id += 1
            self._permits[self._last_id] = (name, operation, now + FORGOTTEN_AFTER)
            account.lease(self._last_id, operation, self._workers[worker].heard_at + HORIZON, now)
            after = math.ceil(max(0.0, at - now, places[operation] - now) * 10_000) / 10_000
            grants.append(Grant(self._last_id, worker, name, operation, lane, after))
        return grants

    def _wanting(
        self,
        left: dict[tuple[str, tuple[str, str, Lane]], int],
        places: dict[str, float],
        account: Account,
        now: float,
    ) -> dict[Lane, list[Turn]]:
        found: dict[Lane, list[Turn]] = {}
        for (worker, (_, operation, lane)), count in left.items():
            if count > 0 and account.soon(places[operation], now):
                found.setdefault(lane, []).append((worker, operation))
        return found

    def next_turn(self, now: float) -> float:
        """When to allot again if nothing is heard until then."""
        if self._strangers() or self._holds:
            return now
        times = [self._said_at + HEARTBEAT / 2] if any(w.heard > w.answered for w in self._workers.values()) else []
        present = [w for w in self._workers.values() if now - w.heard_at < HORIZON]
        for name in self._wanted(present):
            account = self.account(name)
            wishes = [(w, place) for w in present for place in w.wishes if place[0] == name]
            for worker, place in wishes:
                if worker.unserved(place, ahead=False) > 0:
                    at = max(account.next_place(now), account.next_place_of(place[1], now))
                    times.append(max(at - LEASED_AHEAD, self._said_at + REST))
        return max(now, min(times, default=float("inf")))

    def _forget(self, now: float) -> None:
        for account in self.accounts.values():
            account.forget(now)
        gone = [name for name, w in self._workers.items() if now - w.heard_at > FORGOTTEN_AFTER]
        for name in gone:
            del self._workers[name]
        self._permits = {permit: known for permit, known in self._permits.items() if known[2] > now}
