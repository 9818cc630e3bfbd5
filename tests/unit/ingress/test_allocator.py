"""What the allocator makes of a worker's reports, step by step; its laws are tested beside the worker's."""

from __future__ import annotations

import pytest
from ingress.ratelimit.allocator import Allocator
from ingress.ratelimit.shares import Shares
from shared.ratelimit.messages import CallReport, Demand, LeaseRequest, UntrackedCall
from shared.ratelimit.quotas import Quota

ACCOUNT = "togai:live:org"


def test_a_late_report_frees_no_place_later() -> None:
    """The call was answered at 10.09 s by the allocator's clock: its second runs from then, not from the report."""
    allocator = Allocator(7, 0.0, lambda _: Quota(1.0), 5.0)
    allocator.receive(Demand("w", 1, 7, requests=[LeaseRequest(ACCOUNT, "", "live", 1)], at=500.0), 10.001)
    leases = allocator.allot(10.002)
    assert leases
    reported = CallReport(leases.grants[0].id, sent=0.02, answered=0.01)
    allocator.receive(Demand("w", 2, 7, got=leases.n, reports=[reported], at=500.1), 10.3)

    assert allocator.account(ACCOUNT).next_place(10.3) == pytest.approx(11.09, abs=0.002)
    assert allocator.account(ACCOUNT).next_place(10.3) >= 11.09


def test_a_quota_that_a_person_changes_holds_at_once() -> None:
    """At the next grants: nothing is restarted."""
    quota = Quota(1.0)
    allocator = Allocator(7, 0.0, lambda _: quota, 5.0)
    wanted = [LeaseRequest(ACCOUNT, "", "live", 40)]
    allocator.receive(Demand("w", 1, 7, requests=wanted, at=500.0), 20.0)
    first = allocator.allot(20.0)
    quota = Quota(10.0)
    allocator.receive(Demand("w", 2, 7, requests=wanted, at=500.1), 20.1)
    second = allocator.allot(20.1)

    assert first
    assert second
    assert (len(first.grants), len(second.grants)) == (1, 9)
    assert allocator.account(ACCOUNT).status(20.1)["rate"] == 10.0


def test_use_is_what_was_called_in_the_last_minute() -> None:
    """A lease that came back was no call; what went out by the fallback share was one, however often it is reported."""
    allocator = Allocator(7, 0.0, lambda _: Quota(10.0), 5.0)
    allocator.receive(Demand("w", 1, 7, requests=[LeaseRequest(ACCOUNT, "", "live", 3)], at=500.0), 20.0)
    leases = allocator.allot(20.0)
    assert leases
    calls = [UntrackedCall(1, ACCOUNT, "", sent=0.1)]
    unused = [leases.grants[0].id]
    allocator.receive(Demand("w", 2, 7, got=leases.n, unused=unused, untracked=calls, at=500.1), 20.1)
    allocator.receive(Demand("w", 3, 7, got=leases.n, untracked=calls, at=500.2), 20.2)
    account = allocator.account(ACCOUNT)

    assert account.status(21.0)["last_minute"] == 3
    assert account.status(81.0)["last_minute"] == 0
    assert account.use.take() == {"": 3}
    assert account.use.take() == {}


@pytest.mark.parametrize(("quota", "at_once"), [(30.0, 4), (10.0, 1)])
def test_what_nobody_asked_for_in_time_is_caught_up(quota: float, at_once: int) -> None:
    """A tenth of a second of it, where a place is kept for live calls. Where none is they would wait for these."""
    allocator = Allocator(7, 0.0, lambda _: Quota(quota), 5.0)
    for number, (waiting, now) in enumerate([(1, 20.0), (11, 20.5)], start=1):
        demand = Demand("w", number, 7, got=number, requests=[LeaseRequest(ACCOUNT, "", "backfill", waiting)], at=now)
        allocator.receive(demand, now)
        leases = allocator.allot(now)

    assert leases
    assert [grant.after for grant in leases.grants].count(0.0) == at_once


@pytest.mark.parametrize("background", [0.05, 0.5])
def test_how_much_of_a_quota_is_for_the_background(background: float) -> None:
    """While live work waits the rest has its share, and no more."""
    shares = Shares(background)
    turns = [shares.next(["live", "backfill"]) for _ in range(1000)]

    assert turns.count("backfill") == pytest.approx(1000 * background, abs=1)
