"""Replays, and what became of the events that they sent again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec
from shared.flows.replays import ReplayProgress, ReplayRequest, Replays
from sqlalchemy import func, select
from sqlmodel import Session, col

from console.projection.asked import newest
from console.projection.database import CHUNK
from console.projection.imports import outcome_of
from console.projection.tables import ReplayRow, RunRow

WOULD_WRITE = ("new", "linked", "changed")
"""Verdicts of a dry run that came to a write."""
Outcome = str
"""What came of an event: `changed`, `in_sync`, `waiting`, `conflicts`, `left_out`, `failed`, `held` or `going_on`."""
NAMES: dict[str, Outcome] = {"linked": "changed", "new": "changed", "matched": "changed", "already": "in_sync"}
"""Of an import's outcomes those that a replay calls otherwise."""


@dataclass(frozen=True)
class Replayed:
    """One replay with its progress, None before it was begun, and how many runs came to what, by flow link."""

    request: ReplayRequest
    progress: ReplayProgress | None
    by_link: dict[str, Counter[Outcome]] = field(default_factory=dict)

    @property
    def outcomes(self) -> Counter[Outcome]:
        """The sum over all flow links."""
        return sum(self.by_link.values(), Counter())


def find(session: Session, replay_id: str) -> Replayed | None:
    """One replay; None if there is none."""
    return next(iter(_found(session, replay_id)), None)


def page(session: Session, limit: int) -> list[Replayed]:
    """The newest ones, newest first."""
    return _found(session, limit=limit)


def _found(session: Session, replay_id: str = "", limit: int = 1) -> list[Replayed]:
    found = newest(session, ReplayRow, Replays(), replay_id, limit)
    return [Replayed(request, progress, _by_link(session, request.id)) for request, progress in found]


def _by_link(session: Session, replay_id: str) -> dict[str, Counter[Outcome]]:
    row = RunRow
    columns = (col(row.flow_link), col(row.state), col(row.problem), col(row.verdict))
    query = select(*columns, func.count()).where(col(row.cause) == replay_id).group_by(*columns)
    found: dict[str, Counter[Outcome]] = {}
    for link, state, problem, verdict, count in session.execute(query):
        found.setdefault(link, Counter())[_name(state, problem, verdict)] += count
    return found


@dataclass
class Calls:
    """Of a dry run's runs of one flow link: the calls that they made, by connection, and how many ended at the write of
    each step.
    """

    made: Counter[str] = field(default_factory=Counter)
    ended_at: Counter[str] = field(default_factory=Counter)


class _Step(msgspec.Struct):
    id: str


class _Run(msgspec.Struct):
    calls: dict[str, int] = {}
    steps: list[_Step] = []


_run_decoder = msgspec.json.Decoder(_Run)


def calls_by_link(session: Session, replay_id: str) -> dict[str, Calls]:
    """What the runs of a dry run called, and where those ended that would go on to write."""
    row, found = RunRow, dict[str, Calls]()
    query = select(col(row.flow_link), col(row.verdict), col(row.record)).where(col(row.cause) == replay_id)
    for link, verdict, record in session.execute(query.execution_options(yield_per=CHUNK)):
        run, calls = _run_decoder.decode(record), found.setdefault(link, Calls())
        calls.made.update(run.calls)
        if verdict in WOULD_WRITE and run.steps:
            calls.ended_at[run.steps[-1].id] += 1
    return found


def _name(state: str, problem: str, verdict: str) -> Outcome:
    if state == "previewed" and verdict == "changed":
        return "changed"
    name = outcome_of(state, problem, verdict)
    return NAMES.get(name, name)
