"""When a process that stood still notices it."""

from __future__ import annotations

from shared.ratelimit import CallGate
from shared.runtime.stall_watchdog import StallWatchdog
from shared.settings import Settings

LIMIT = 3.0


class Harness:
    """A pulse on a clock set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.stood: list[float] = []
        self.watchdog = StallWatchdog(LIMIT, self.stood.append, lambda: self.now)


def test_a_beating_process_may_send() -> None:
    """Also right at the limit."""
    harness = Harness()
    for _ in range(10):
        harness.watchdog.beat()
        harness.now += LIMIT
        harness.watchdog.check()

    assert harness.stood == []


def test_who_stood_still_notices_it_before_sending() -> None:
    """The loop may come to a sender before it comes to the next beat."""
    harness = Harness()
    harness.watchdog.beat()
    harness.now += LIMIT + 0.5
    harness.watchdog.check()

    assert harness.stood == [LIMIT + 0.5]


def test_nothing_is_said_before_the_first_beat() -> None:
    """Starting may take long, and nothing is anybody's then."""
    harness = Harness()
    harness.now += 10 * LIMIT
    harness.watchdog.check()
    harness.watchdog.beat()

    assert harness.stood == []


async def test_a_call_whose_turn_comes_after_a_pause_is_not_sent() -> None:
    """It may have waited for its turn while the process stood still."""
    harness = Harness()
    gate = CallGate(Settings(stripe_quota=0), before_sending=harness.watchdog.check)
    harness.watchdog.beat()
    async with gate.call("stripe:test:acct_1"):
        assert harness.stood == []
    harness.now += 2 * LIMIT
    async with gate.call("stripe:test:acct_1"):
        assert harness.stood == [2 * LIMIT]
