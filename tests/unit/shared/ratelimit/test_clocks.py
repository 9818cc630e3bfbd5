"""Another process's clock, estimated from its messages."""

from __future__ import annotations

import pytest
from shared.ratelimit.clocks import KEPT, OtherClock

THERE = 5000.0
"""What the other clock says when it is 0 here."""


def received(*ways: float) -> tuple[OtherClock, float]:
    """Messages that were so long on their way, one a second, and the time here afterwards."""
    clock, sent = OtherClock(), 0.0
    for way in ways:
        clock.here(THERE + sent, sent + way)
        sent += 1.0
    return clock, sent


def test_a_late_message_makes_nothing_later() -> None:
    """The quickest one shows how the clocks differ."""
    clock, sent = received(0.004, 0.2, 0.3)

    assert clock.here(THERE + sent, sent + 0.4) == pytest.approx(sent + 0.004, abs=0.002)


def test_nothing_is_taken_for_earlier_than_it_was_nor_for_later_than_now() -> None:
    """Also with the first message, which may be slow."""
    clock, sent = received(0.3, 0.05)

    assert sent < clock.here(THERE + sent, sent + 0.01) <= sent + 0.01
    assert OtherClock().here(THERE, 0.3) == 0.3


def test_a_clock_that_goes_faster_is_followed() -> None:
    """It gains more than the messages' ways differ."""
    clock, gain = OtherClock(), 1.0004
    for now in range(200):
        assert now - 1e-6 <= clock.here(THERE + (now - 0.002) * gain, now) <= now
    assert 199 - 1e-6 <= clock.here(THERE + 199 * gain, 199.03) <= 199.01


@pytest.mark.parametrize("jump", [-30.0, 30.0])
def test_a_clock_that_jumps_is_trusted_again(jump: float) -> None:
    """What was known of it before does not count after a while, whichever way it went."""
    clock, sent = received(0.004)
    for _ in range(int(2 * KEPT) + 2):
        sent += 1.0
        clock.here(THERE + jump + sent, sent + 0.01)

    assert clock.here(THERE + jump + sent, sent + 0.1) == pytest.approx(sent + 0.01, abs=0.011)


def test_a_message_without_a_time_was_sent_now() -> None:
    """A process of an older version tells none."""
    clock, sent = received(0.004)

    assert clock.here(None, sent + 7) == sent + 7
