"""The allocator: who may call whom, and when. Pure: demands in, leases out.

`now` is in seconds of one monotonic clock of its own. An allocator lives for one epoch; the next one knows nothing of
it, and waits until what it leased cannot count any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.ratelimit.clocks import OtherClock
from shared.ratelimit.lanes import Lane
from shared.ratelimit.messages import (
    HEARTBEAT,
    HORIZON,
    BackOff,
    CallReport,
    Demand,
    Grant,
    Grants,
    LeaseRequest,
    UntrackedCall,
)
from shared.ratelimit.quotas import Quota

from ingress.ratelimit.accounts import Account, Turn

FORGOTTEN_AFTER = 60.0
"""Seconds after which a silent worker is forgotten."""
FORGETS_EVERY = 1.0
"""Seconds after which what is out of date is dropped again: to go through thousands of leases each time is dear."""
REST = 0.02
"""Least seconds between two messages between which nothing new came: slots come free one by one."""


@dataclass
class _Worker:
    """What is known of one process. `granted` are leases that its last demand did not know of: message and key."""

    name: str
    last_demand: int = 0
    last_demand_at: float = 0.0
    got: int = 0
    answered: int = 0
    refusals: int = 0
    requests: dict[tuple[str, str, Lane], LeaseRequest] = field(default_factory=dict)
    granted: list[tuple[int, tuple[str, str, Lane]]] = field(default_factory=list)
    untracked: dict[int, int] = field(default_factory=dict)
    unknown_epoch: bool = False
    clock: OtherClock = field(default_factory=OtherClock)

    def unserved(self, key: tuple[str, str, Lane], *, ahead: bool) -> int:
        """How many more leases it wants for one thing."""
        request = self.requests[key]
        return (
            request.waiting + (request.ahead if ahead else 0) - sum(1 for _, granted in self.granted if granted == key)
        )


class Allocator:
    """One epoch, begun at `began`. `longest_call`: after so many seconds a call that nobody reports has ended."""

    def __init__(self, epoch: int, began: float, quota_of: Callable[[str], Quota], longest_call: float) -> None:
        self.epoch = epoch
        self._began = began
        self._quota_of = quota_of
        self._longest_call = longest_call
        self.accounts: dict[str, Account] = {}
        self._workers: dict[str, _Worker] = {}
        self._leases: dict[int, tuple[str, str, float]] = {}
        self._last_id = 0
        self._n = 0
        self._back_offs: list[BackOff] = []
        self._sent_at = float("-inf")
        self._forgot_at = began

    def receive(self, demand: Demand, now: float) -> None:
        """One worker's demand and its reports."""
        worker = self._workers.setdefault(demand.worker, _Worker(demand.worker))
        reported_at = worker.clock.here(demand.at, now)
        if demand.epoch != self.epoch:
            worker.unknown_epoch, worker.last_demand_at = True, now  # it sends again once it knows this epoch
            return
        if demand.n <= worker.last_demand:
            return  # overtaken; the later one holds all that this one does
        self._take_reports(worker, demand, reported_at, now)
        worker.unknown_epoch = False
        worker.last_demand, worker.last_demand_at, worker.got = demand.n, now, demand.got
        worker.requests = {(w.account, w.operation, w.lane): w for w in demand.requests}
        worker.granted = [(n, key) for n, key in worker.granted if n > demand.got]

    def _take_reports(self, worker: _Worker, demand: Demand, reported_at: float, now: float) -> None:
        for report in demand.reports:
            if known := self._leases.get(report.id):
                self._used(self.account(known[0]), report.id, known[1], report, reported_at, now)
        for lease in demand.unused:
            if known := self._leases.pop(lease, None):
                self.account(known[0]).returned(lease, known[1], now)
        for call in demand.untracked:
            account = self.account(call.account)
            if call.id not in worker.untracked:
                account.use.add(call.operation, 1, now)
            self._used(account, self._untracked_id(worker, call), call.operation, call, reported_at, now)
        for refusal in demand.refusals:
            if refusal.no > worker.refusals:
                worker.refusals = refusal.no
                if back_off := self.account(refusal.account).refused(refusal, now):
                    self._back_offs.append(back_off)

    def _used(
        self,
        account: Account,
        lease: int,
        operation: str,
        report: CallReport | UntrackedCall,
        reported_at: float,
        now: float,
    ) -> None:
        answered = None if report.answered is None else reported_at - report.answered
        account.used(lease, operation, reported_at - report.sent, answered, report.excess, now)

    def _untracked_id(self, worker: _Worker, call: UntrackedCall) -> int:
        if call.id not in worker.untracked:
            self._last_id += 1
            worker.untracked[call.id] = self._last_id
        return worker.untracked[call.id]

    def account(self, name: str) -> Account:
        """The state of one app account."""
        if name not in self.accounts:
            self.accounts[name] = Account(self._quota_of(name), self._began, self._longest_call)
        return self.accounts[name]

    # --- leasing ---

    def allot(self, now: float) -> Grants | None:
        """The next message, None if there is nothing to say."""
        present = [w for w in self._workers.values() if now - w.last_demand_at < HORIZON and not w.unknown_epoch]
        grants = [grant for name in self._wanted(present) for grant in self._account_grants(name, present, now)]
        owed = [w for w in self._workers.values() if w.unknown_epoch or w.last_demand > w.answered]
        if (
            not grants
            and not self._back_offs
            and (not owed or now - self._sent_at < HEARTBEAT / 2)
            and not self._unknown_epochs()
        ):
            return None
        self._n += 1
        for grant in grants:
            worker = self._workers[grant.worker]
            worker.granted.append((self._n, (grant.account, grant.operation, grant.lane)))
        for worker in self._workers.values():
            worker.answered, worker.unknown_epoch = worker.last_demand, False
        answers = {
            w.name: w.last_demand
            for w in self._workers.values()
            if w.last_demand and now - w.last_demand_at < 2 * HORIZON
        }
        back_offs, self._back_offs = self._back_offs, []
        self._sent_at = now
        self._forget(now)
        return Grants(self.epoch, self._n, answers, grants, back_offs, at=now)

    def _unknown_epochs(self) -> bool:
        return any(w.unknown_epoch for w in self._workers.values())

    def _wanted(self, present: list[_Worker]) -> list[str]:
        return sorted({key[0] for worker in present for key in worker.requests})

    def _account_grants(self, name: str, present: list[_Worker], now: float) -> list[Grant]:
        account = self.account(name)
        account.change(self._quota_of(name))
        grants: list[Grant] = []
        requests = {(w.name, key): w for w in present for key in w.requests if key[0] == name}
        left = {key: w.unserved(key[1], ahead=False) for key, w in requests.items()}
        ahead = {key: w.unserved(key[1], ahead=True) for key, w in requests.items()}
        while account.soon(at := account.next_place(now), now):
            slots = {op: account.next_place_of(op, now) for op in {key[1] for _, key in requests}}
            wanting = self._wanting(left, slots, account, now)
            if not wanting and account.roomy(now):
                wanting = self._wanting(ahead, slots, account, now)
            if not wanting:
                break
            lane, (worker, operation) = account.pick(wanting)
            key = (worker, (name, operation, lane))
            left[key] -= 1
            ahead[key] -= 1
            at = max(now, at, slots[operation], account.behind_live(lane, now, beside="live" in wanting))
            account.space(lane, at, now)
            self._last_id += 1
            self._leases[self._last_id] = (name, operation, now + FORGOTTEN_AFTER)
            account.lease(self._last_id, operation, self._workers[worker].last_demand_at + HORIZON, now)
            after = math.ceil((at - now) * 10_000) / 10_000
            grants.append(Grant(self._last_id, worker, name, operation, lane, after))
        return grants

    def _wanting(
        self,
        left: dict[tuple[str, tuple[str, str, Lane]], int],
        slots: dict[str, float],
        account: Account,
        now: float,
    ) -> dict[Lane, list[Turn]]:
        found: dict[Lane, list[Turn]] = {}
        for (worker, (_, operation, lane)), count in left.items():
            if count > 0 and account.soon(slots[operation], now):
                found.setdefault(lane, []).append((worker, operation))
        beside = "live" in found
        return {lane: turns for lane, turns in found.items() if account.is_due(lane, now, beside=beside)}

    def next_turn(self, now: float) -> float:
        """When to allot again if no demand comes until then."""
        if self._unknown_epochs() or self._back_offs:
            return now
        times = (
            [self._sent_at + HEARTBEAT / 2] if any(w.last_demand > w.answered for w in self._workers.values()) else []
        )
        present = [w for w in self._workers.values() if now - w.last_demand_at < HORIZON]
        for name in self._wanted(present):
            account = self.account(name)
            requests = [(w, key) for w in present for key in w.requests if key[0] == name]
            for worker, key in requests:
                if worker.unserved(key, ahead=False) > 0:
                    times.append(max(account.lease_at(key[2], key[1], now), self._sent_at + REST))
        return max(now, min(times, default=float("inf")))

    def _forget(self, now: float) -> None:
        if now - self._forgot_at < FORGETS_EVERY:
            return
        self._forgot_at = now
        for account in self.accounts.values():
            account.forget(now)
        gone = [name for name, w in self._workers.items() if now - w.last_demand_at > FORGOTTEN_AFTER]
        for name in gone:
            del self._workers[name]
        self._leases = {lease: known for lease, known in self._leases.items() if known[2] > now}
