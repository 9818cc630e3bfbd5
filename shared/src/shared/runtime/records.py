"""From a record of an input topic to the work that the pool is given. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.domains import TRIGGERS
from shared.errors import CANCELLED, Blocked, ConnectionClosed, QuotaUsed
from shared.events.topics import is_delay, is_replay
from shared.flows import runs
from shared.flows.runs import Parked, Peeked, RunError, is_sent_again
from shared.ratelimit.lanes import Lane, WorkPriority
from shared.runtime.known import Known
from shared.runtime.pool import Partition, Work

PARKED_HEADER = "parked"
"""The header in which a run travels with its event: on the delay topics, and on the replay topic if it is resumed."""


BLOCKED = (Blocked.__name__, QuotaUsed.__name__)


def work_of(
    partition: Partition,
    offset: int,
    key: bytes,
    value: bytes,
    headers: Mapping[str, bytes],
    acknowledge: Callable[[], object],
    came_at: float = 0.0,
) -> Work:
    """One record as work. What cannot be read is work too: whoever does it makes it a dead letter."""
    parked = headers.get(PARKED_HEADER)
    record = _decode_parked(parked) if parked else None
    problem = record.run.problem if record else None
    found = _peek(value)
    trigger = TRIGGERS.get(found.type)
    # An event for one flow link says nothing to the others: it represents no event of all of them.
    for_all = not found.flowlink and not found.dryrun
    return Work(
        partition=partition,
        offset=offset,
        aggregate=key.decode(errors="replace"),
        kind=found.type,
        value=value,
        parked=parked,
        acknowledge=acknowledge,
        foldable=bool(trigger and trigger.by_state) and parked is None and for_all,
        quiet=found.dryrun,
        came_at=came_at,
        due=record.due if record else 0.0,
        known=_known(record) if parked else Known.PRESENT,
        checked_at=record.checked_at if record else 0.0,
        closed=_closed(problem) if problem else "",
        blocked=problem.connection if problem and problem.error in BLOCKED else "",
        outage=_outage(record) if record else "",
        since=record.run.started_at if record else "",
        cancelled=record.run.cause + CANCELLED if record and is_sent_again(record.run) else "",
        lane=WorkPriority(lane_of(partition[0], found.origin, record)),
    )


def _known(record: Parked | None) -> Known:
    return Known.UNCHANGED if record and record.checked_at else Known.CHANGED


def _closed(problem: RunError) -> str:
    """The connection, flow link, import or replay that must be open before a run goes on; empty for none."""
    return problem.connection if problem.error == ConnectionClosed.__name__ else problem.blocker


def _outage(parked: Parked) -> str:
    """What is tried from time to time to see whether it works again; empty for none."""
    problem = parked.run.problem
    return problem.connection if problem and problem.error == QuotaUsed.__name__ else parked.outage


def lane_of(topic: str, origin: str, parked: Parked | None) -> Lane:
    """The lane of a record's calls: what is sent again is replay or backfill, and stays so while it is parked."""
    again: Lane = "backfill" if origin == "backfill" else "replay"
    if is_replay(topic):
        return again
    if is_delay(topic) and parked and parked.lane:
        return parked.lane
    return again if origin in ("replay", "backfill") else "live"


def _peek(value: bytes) -> Peeked:
    """As `runs.peek`; empty for what cannot be read, which folds with nothing."""
    try:
        return runs.peek(value)
    except ValueError:
        return Peeked(type="", origin="")


def _decode_parked(parked: bytes) -> Parked | None:
    try:
        return runs.decode_parked(parked)
    except ValueError:
        return None
