"""The retry schedule: data, jitter, and a bounded Retry-After."""

from __future__ import annotations

import pytest
from shared.errors import Blocked, ConnectionClosed, NotReady, RateLimited, Rejected, Unavailable, Waiting
from shared.retries import LONGEST_RETRY_AFTER, delay_for, due_at, in_place, is_worth_retrying, wait_before


@pytest.mark.parametrize(
    ("attempt", "expected"), [(1, 0.5), (2, 1), (3, 2), (4, 5), (5, 15), (6, 30), (7, 30), (99, 30)]
)
def test_the_schedule(attempt: int, expected: float) -> None:
    """0.5 1 2 5 15 30 and then 30, stretched by at most a fifth."""
    assert wait_before(attempt, None, 1.0, 0.0) == expected
    assert wait_before(attempt, None, 1.0, 1.0) == pytest.approx(expected * 1.2)


@pytest.mark.parametrize(("asked", "expected"), [(None, 0.5), (3.0, 3.0), (0.1, 0.5), (86_400.0, LONGEST_RETRY_AFTER)])
def test_retry_after_is_kept_and_clamped(asked: float | None, expected: float) -> None:
    """A hostile Retry-After does not hold an event for a day."""
    assert wait_before(1, RateLimited("", retry_after=asked), 1.0, 0.0) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unavailable(""), True),
        (RateLimited(""), True),
        (NotReady(""), True),
        (Waiting(""), False),
        (ConnectionClosed("con", "401"), False),
        (Blocked("con", "403"), False),
        (Rejected(""), False),
        (ValueError(""), False),
    ],
)
def test_what_is_retried_in_place(error: Exception, expected: bool) -> None:
    """What only time or the other side mends is parked at once; what is final becomes a dead letter."""
    assert is_worth_retrying(error) is expected


def test_parked_runs_climb_the_ladder_and_stay_on_top() -> None:
    """1 minute, 10 minutes, then every hour."""
    assert [delay_for(n) for n in range(5)] == ["1m", "10m", "1h", "1h", "1h"]
    assert due_at("10m", 1.0, now=100.0) == 700.0


async def test_in_place_gives_up_in_time_with_the_last_error() -> None:
    """The last error is the run's reason."""
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        raise Unavailable(f"try {calls}")

    with pytest.raises(Unavailable, match="try [2-9]"):
        await in_place(call, limit=0.05, scale=0.01)


async def test_in_place_ends_at_the_first_success() -> None:
    """And says what went before."""
    seen: list[tuple[int, str]] = []
    answers = iter([Unavailable("a"), RateLimited("b")])

    async def call() -> str:
        if error := next(answers, None):
            raise error
        return "done"

    result = await in_place(call, limit=5, scale=0.001, on_retry=lambda n, e: seen.append((n, str(e))))

    assert result == "done"
    assert seen == [(1, "a"), (2, "b")]
