"""When to try again: the schedule is data, jitter keeps workers apart, and a vendor's Retry-After is clamped."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_before_delay

from shared.errors import Retryable
from shared.events.topics import DELAYS, Delay

IN_PLACE: tuple[float, ...] = (0.5, 1, 2, 5, 15, 30)
"""Seconds between tries of one event in place."""
LONGEST_RETRY_AFTER = 60.0
"""A hostile or mistaken Retry-After does not hold an event longer than this in place."""
LADDER: tuple[Delay, ...] = ("1m", "10m", "1h")
"""The delay topics that a parked run passes, the last one again and again."""
LAST_PARKING = 2 + 24
"""After so many parkings in a row by failures a run becomes a dead letter, marked retryable: about a day."""
CHECK_EVERY = 24 * 3600.0
"""Seconds after which a waiting run looks again even if there was no news of its entity."""

PROBE_EVERY = 30.0
"""Seconds after which one of the runs that an outage or a quota keeps looks whether that has ended."""
QUOTA_EVERY = 25.0
"""Seconds between two tries, over all workers, of what a quota refused: less than a probe waits."""

T = TypeVar("T")


def is_worth_retrying(error: BaseException) -> bool:
    """In place, that is: what waits for another side, for a connection or for a person is parked at once."""
    return isinstance(error, Retryable) and error.policy.in_place


def wait_before(attempt: int, error: BaseException | None, scale: float, jitter: float) -> float:
    """Seconds before the next try. `attempt` counts from 1, `jitter` is from 0 to 1 and stretches by up to 20 %."""
    base = IN_PLACE[min(attempt, len(IN_PLACE)) - 1] * scale
    asked = error.retry_after if isinstance(error, Retryable) else None
    return max(base * (1 + 0.2 * jitter), min(asked or 0.0, LONGEST_RETRY_AFTER))


def delay_for(parked: int) -> Delay:
    """The delay topic for a run that was parked `parked` times before, for the same kind of reason."""
    return LADDER[min(parked, len(LADDER) - 1)]


def due_at(delay: Delay, scale: float, now: float | None = None) -> float:
    """Epoch seconds at which a run that is parked now goes on."""
    return (time.time() if now is None else now) + DELAYS[delay].total_seconds() * scale


async def in_place(
    call: Callable[[], Awaitable[T]],
    *,
    limit: float,
    scale: float,
    on_retry: Callable[[int, BaseException], None] = lambda attempt, error: None,
) -> T:
    """Call until it succeeds, fails for good, or `limit` seconds would be passed; then its last error is raised."""

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return wait_before(state.attempt_number, error, scale, random.random())

    def before(state: RetryCallState) -> None:
        if state.outcome and (error := state.outcome.exception()):
            on_retry(state.attempt_number, error)

    retrying = AsyncRetrying(
        wait=wait,
        retry=retry_if_exception(is_worth_retrying),
        stop=stop_before_delay(limit),
        before_sleep=before,
        reraise=True,
    )
    return await retrying(call)
