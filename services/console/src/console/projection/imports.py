"""Imports, and what became of the entities that they found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shared.errors import Conflict, ConnectionClosed, Paused
from shared.flows.imports import ImportProgress, ImportRequest, Imports
from shared.flows.runs import TERMINAL_STATES, Run, decode_run
from sqlalchemy import case, func, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from console.projection.asked import newest
from console.projection.database import CHUNK
from console.projection.pending import BLOCKED, HELD, HELD_OFF, QUOTA_USED, WAITING
from console.projection.tables import ImportRow, RunRow


@dataclass(frozen=True)
class Outcome:
    """How many entities of an import are in which state; of several runs of one entity the best counts. `new` and
    `matched` are those that a dry run would make, or link to what stands there. `verdicts` counts by kind of conflict,
    `over_quota` those of the waiting ones that wait for room at the vendor.
    """

    linked: int = 0
    already: int = 0
    new: int = 0
    matched: int = 0
    waiting: int = 0
    conflicts: int = 0
    left_out: int = 0
    failed: int = 0
    going_on: int = 0
    held: int = 0
    over_quota: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)

    @property
    def handled(self) -> int:
        """Entities that an import is done with, or that wait."""
        done = self.linked + self.already + self.new + self.matched
        return done + self.waiting + self.conflicts + self.left_out + self.failed

    @property
    def known(self) -> int:
        """Entities of which a run is known."""
        return self.handled + self.going_on + self.held


@dataclass(frozen=True)
class Imported:
    """One import with its progress, None before it was begun, and what came of it."""

    request: ImportRequest
    progress: ImportProgress | None
    outcome: Outcome = field(default_factory=Outcome)


def find(session: Session, import_id: str) -> Imported | None:
    """One import; None if there is none."""
    return next(iter(_found(session, import_id)), None)


def page(session: Session, limit: int) -> list[Imported]:
    """The newest ones, newest first."""
    return _found(session, limit=limit)


def _found(session: Session, import_id: str = "", limit: int = 1) -> list[Imported]:
    found = newest(session, ImportRow, Imports(), import_id, limit)
    return [Imported(request, progress, _outcome(session, request.id)) for request, progress in found]


BEST = {"succeeded": 0, "in_sync": 1, "parked": 2, "running": 3}
"""Of several runs of one entity: a page that is listed twice gives each of its entities two."""
DONE = ("linked", "already", "new", "matched")
"""Names of outcomes that a report leaves out."""
JUDGED = {"new": "new", "linked": "matched", "already": "already", "changed": "already", "left_out": "left_out",
          "failed": "failed"}  # fmt: skip
"""The outcome by the verdict of a dry run, where a pair that would be written is linked; any other is a conflict."""


def _best(import_id: str, *columns: Any) -> Any:
    """These columns of the best run of each entity of an import, with `state` and `problem`: where another run waits in
    its place, those of that one.
    """
    row, other = RunRow, aliased(RunRow)
    state = func.coalesce(col(other.state), col(row.state))
    problem = func.coalesce(col(other.problem), col(row.problem))
    order = case(BEST, value=state, else_=4)
    rank = func.row_number().over(partition_by=col(row.aggregate), order_by=(order, col(row.at).desc()))
    query = select(*columns, state.label("state"), problem.label("problem"), rank.label("rank"))
    joined = query.outerjoin_from(row, other, col(row.waits_in) == col(other.id))
    return joined.where(col(row.cause) == import_id).subquery()


def _outcome(session: Session, import_id: str) -> Outcome:
    ranked = _best(import_id, col(RunRow.verdict))
    columns = (ranked.c.state, ranked.c.problem, ranked.c.verdict)
    counted = select(*columns, func.count()).where(ranked.c.rank == 1).group_by(*columns)
    sums: dict[str, int] = {}
    verdicts: dict[str, int] = {}
    for state, problem, verdict, count in session.execute(counted):
        name = outcome_of(state, problem, verdict)
        sums[name] = sums.get(name, 0) + count
        if name == "waiting" and problem in QUOTA_USED:
            sums["over_quota"] = sums.get("over_quota", 0) + count
        if verdict and verdict not in JUDGED and (state == "previewed" or name not in DONE):
            verdicts[verdict] = verdicts.get(verdict, 0) + count
    return Outcome(**sums, verdicts=verdicts)


def rest(session: Session, import_id: str) -> Iterator[tuple[str, Run]]:
    """Every entity that is not linked, or would not be, with its best run, in the order of their ids."""
    ranked = _best(import_id, col(RunRow.aggregate), col(RunRow.record))
    columns = (ranked.c.record, ranked.c.state, ranked.c.problem)
    query = select(*columns).where(ranked.c.rank == 1).order_by(ranked.c.aggregate)
    for record, state, problem in session.execute(query.execution_options(yield_per=CHUNK)):
        run = decode_run(record)
        name = outcome_of(state, problem, run.verdict)
        if name not in DONE:
            yield name, run


def outcome_of(state: str, problem: str, verdict: str) -> str:
    """What came of an entity, as a name of an Outcome."""
    if state == "previewed":  # with a conflict that is no problem, for the import ends it: what is short is padded
        return JUDGED.get(verdict, "conflicts" if problem else "new")
    if state in ("succeeded", "in_sync"):
        return "linked" if state == "succeeded" else "already"
    if state == "parked" and problem == Conflict.__name__:
        return "conflicts"
    if state == "parked" and problem in (*WAITING, *BLOCKED, *QUOTA_USED, *HELD, *HELD_OFF, ConnectionClosed.__name__):
        return "waiting"
    if state == "parked" and problem == Paused.__name__:
        return "held"
    if state in ("dead", "discarded", "superseded"):  # superseded: it shares the dead letter of a newer run
        return "failed"
    return "left_out" if state in TERMINAL_STATES else "going_on"
