"""Imports, and what became of the entities that they found."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.flows.imports import ImportProgress, ImportRequest, decode
from shared.flows.runs import TERMINAL_STATES
from sqlalchemy import case, func, select
from sqlmodel import Session, col

from console.projection.pending import WAITING
from console.projection.tables import ImportRow, RunRow


@dataclass(frozen=True)
class Outcome:
    """How many entities of an import are in which state; of several runs of one entity the best counts."""

    linked: int = 0
    already: int = 0
    waiting: int = 0
    conflicts: int = 0
    left_out: int = 0
    failed: int = 0
    going_on: int = 0

    @property
    def known(self) -> int:
        """Entities of which a run is known."""
        return self.linked + self.already + self.waiting + self.conflicts + self.left_out + self.failed + self.going_on


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
    query = select(ImportRow)
    if import_id:
        query = query.where(col(ImportRow.of) == import_id)
    records = [decode(row.record) for row in session.scalars(query)]
    progress = {found.id: found for found in records if isinstance(found, ImportProgress)}
    requests = [found for found in records if isinstance(found, ImportRequest)]
    newest = sorted(requests, key=lambda request: (request.requested_at, request.id), reverse=True)
    return [Imported(request, progress.get(request.id), _outcome(session, request.id)) for request in newest[:limit]]


BEST = {"succeeded": 0, "in_sync": 1, "parked": 2, "running": 3}
"""Of several runs of one entity: a page that is listed twice gives each of its entities two."""


def _outcome(session: Session, import_id: str) -> Outcome:
    row = RunRow
    order = case(BEST, value=col(row.state), else_=4)
    rank = func.row_number().over(partition_by=col(row.aggregate), order_by=(order, col(row.at).desc()))
    ranked = select(col(row.state), col(row.problem), rank.label("rank")).where(col(row.cause) == import_id).subquery()
    state, problem = ranked.c.state, ranked.c.problem
    counted = select(state, problem, func.count()).where(ranked.c.rank == 1).group_by(state, problem)
    sums: dict[str, int] = {}
    for found, why, count in session.execute(counted):
        name = _name(found, why)
        sums[name] = sums.get(name, 0) + count
    return Outcome(**sums)


def _name(state: str, problem: str) -> str:
    if state in ("succeeded", "in_sync"):
        return "linked" if state == "succeeded" else "already"
    if state == "parked" and problem == "Conflict":
        return "conflicts"
    if state == "parked" and problem in WAITING:
        return "waiting"
    if state in ("dead", "discarded"):
        return "failed"
    return "left_out" if state in TERMINAL_STATES else "going_on"
