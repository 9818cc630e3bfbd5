"""How old the last poll of a list is, since when a list of events was not read, and when that is too long. Pure."""

from __future__ import annotations

from typing import Literal

from shared.apps.polling import PollSpec
from shared.polls import Poll, epoch

Level = Literal["ok", "warning", "alarm"]
DAY = 24 * 3600.0
LATE_AFTER = 600.0
"""Seconds without a poll after which a list is late, or three of its intervals if they are longer."""


def gap(spec: PollSpec, poll: Poll, now: float) -> float | None:
    """Seconds up to which events may be missing; None for a list without retention, or one never begun."""
    if spec.retention is None or not poll.position:
        return None
    return max(0.0, now - epoch(poll.position))


def late(spec: PollSpec, poll: Poll, interval: float, now: float) -> str:
    """That a list has not been read for too long, in words; empty if it was, or needs no further poll."""
    done = spec.ends and poll.complete
    seconds = now - epoch(poll.at)
    if done or not poll.at or seconds <= max(3 * interval, LATE_AFTER):
        return ""
    return f"last read {_span(seconds)} ago, it is read every {_span(interval)}: nobody polls, or a poll hangs"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def level(spec: PollSpec, seconds: float | None) -> Level:
    """What a gap means: the vendor forgets what it listed."""
    if seconds is None or spec.retention is None or seconds < spec.retention.warning:
        return "ok"
    return "warning" if seconds < spec.retention.alarm else "alarm"


def meaning(spec: PollSpec, what: str, poll: Poll, now: float) -> str:
    """What a person must know about the gap, empty if nothing. `what` names the list, as "the ledger's entries"."""
    if spec.retention is None:
        return ""
    seconds, kept = gap(spec, poll, now) or 0.0, spec.retention.kept
    days = seconds / DAY
    if seconds > kept:
        return (
            f"{what} were last read {days:.1f} days ago and are listed for {kept / DAY:.0f} days: some are lost for "
            "good, bring the account up to date with a backfill"
        )
    if level(spec, seconds) != "ok":
        left = (kept - seconds) / DAY
        return f"{what} were last read {days:.1f} days ago; in {left:.1f} days the first are lost for good"
    since, _, until = poll.lost.partition("/")
    if until and now - epoch(until) < 2 * kept:
        return f"{what} from {since} to {until} were never read and are lost: run a backfill for them"
    return ""
