"""How old the last complete look at Stripe's events is, and when that is a warning or an alarm. Pure."""

from __future__ import annotations

from typing import Literal

from shared.polls import GAP_ALARM, GAP_WARNING, STRIPE_KEEPS_EVENTS, Poll

from ingress.polling.stripe_events import epoch

Level = Literal["ok", "warning", "alarm"]
DAY = 24 * 3600.0


def gap(poll: Poll, now: float) -> float | None:
    """Seconds up to which events may be missing; None for a list that has no such gap, or was never begun."""
    if poll.kind != "stripe-events" or not poll.position:
        return None
    return max(0.0, now - epoch(poll.position))


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
