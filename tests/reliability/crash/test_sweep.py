"""What a recording compares: what the journals tell of, and what the outside saw."""

from __future__ import annotations

from collections import Counter

from tests.reliability.crash.points import Passing
from tests.reliability.crash.sweep import unexplained_calls
from tests.stack.points import Point

POLL = "call GET /togai/invoices"
READ = "call GET /togai/accounts/{}"


def test_a_poll_that_began_before_the_recording_is_explained() -> None:
    """The poller's only call was reported under the plan before, and seen in this one."""
    assert unexplained_calls(set(), [], Counter({POLL: 1}), others={POLL}) == []


def test_a_call_that_nobody_reported_is_seen() -> None:
    """It went by another way than the wrapped ones."""
    passed = [Passing(1, "worker-1", Point(READ, 1, phase)) for phase in ("before", "after")]

    assert unexplained_calls({READ}, passed, Counter({READ: 2}), others={READ}) == [
        f"{READ}: seen 2 times outside, reported 1 times"
    ]
    assert unexplained_calls(set(), [], Counter({POLL: 1}), others=set()) == [
        f"{POLL}: seen 1 times outside, reported 0 times"
    ]
