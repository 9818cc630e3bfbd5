"""How old the last look at a list is, how long ago Stripe's events were complete, and when that is too long. Pure."""

from __future__ import annotations

from typing import Literal

from shared.polls import GAP_ALARM, GAP_WARNING, STRIPE_KEEPS_EVENTS, Poll

from ingress.polling.stripe_events import epoch

Level = Literal["ok", "warning", "alarm"]
DAY = 24 * 3600.0
LATE_AFTER = 600.0
"""Seconds without a look after which a list is late, or three of its intervals if they are longer."""


def gap(poll: Poll, now: float) -> float | None:
    """Seconds up to which events may be missing; None for a list that has no such gap, or was never begun."""
    if poll.kind != "stripe-events" or not poll.position:
        return None
    return max(0.0, now - epoch(poll.position))


def late(poll: Poll, interval: float, now: float) -> str:
    """That a list has not been read for too long, in words; empty if it was, or needs no further look."""
    done = poll.kind == "stripe-customers" and poll.complete
    seconds = now - epoch(poll.at)
    if done or not poll.at or seconds <= max(3 * interval, LATE_AFTER):
        return ""
    return f"last read {_span(seconds)} ago, it is read every {_span(interval)}: nobody polls, or a look hangs"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def level(seconds: float | None) -> Level:
    """What a gap means: Stripe forgets events after 30 days."""
    if seconds is None or seconds < GAP_WARNING:
        return "ok"
    return "warning" if seconds < GAP_ALARM else "alarm"


def meaning(poll: Poll, now: float) -> str:
    """What a person must know about the gap, empty if nothing."""
    seconds = gap(poll, now) or 0.0
    days = seconds / DAY
    if seconds > STRIPE_KEEPS_EVENTS:
        return (
            f"Stripe's events were last read {days:.1f} days ago and it keeps 30 days: some are lost for good, bring "
            "the account up to date with a backfill"
        )
    if level(seconds) != "ok":
        left = (STRIPE_KEEPS_EVENTS - seconds) / DAY
        return f"Stripe's events were last read {days:.1f} days ago; in {left:.1f} days the first are lost for good"
    since, _, until = poll.lost.partition("/")
    if until and now - epoch(until) < 2 * STRIPE_KEEPS_EVENTS:
        return f"Stripe's events from {since} to {until} were never read and are lost: run a backfill for them"
    return ""
