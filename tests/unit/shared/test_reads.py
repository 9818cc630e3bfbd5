"""Reads by day, and how much slower pollers are when few are left."""

from __future__ import annotations

import pytest
from shared.reads import Allowance, counted, day_of, in_span

DAY = 86400.0
NOW = 1_800_000_000.0


def test_days_older_than_thirty_do_not_count() -> None:
    """And are not kept."""
    days: dict[str, int] = {}
    for day in range(40):
        days = counted(days, {day_of(NOW + day * DAY): 1}, NOW + day * DAY)

    assert len(days) == 30
    assert in_span(days, NOW + 39 * DAY) == 30
    assert in_span(days, NOW + 49 * DAY) == 20


@pytest.mark.parametrize(
    ("used", "seconds"), [(0, 600), (5_000, 600), (7_500, 1200), (9_000, 3000), (9_900, 3600), (20_000, 3600)]
)
def test_pollers_are_slower_the_fewer_reads_are_left(used: int, seconds: float) -> None:
    """From half of them on; once an hour they poll in any case."""
    assert Allowance(used, 10_000).interval(600) == pytest.approx(seconds)
    assert Allowance(used, 10_000).interval(7200) >= 7200
