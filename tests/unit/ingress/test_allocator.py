"""What the allocator makes of a worker's reports, step by step; its laws are tested beside the worker's."""

from __future__ import annotations

import pytest
from ingress.ratelimit.allocator import Allocator
from shared.ratelimit.messages import CallReport, Demand, LeaseRequest
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
