"""Which price plan a run is about."""

from __future__ import annotations

from typing import Any

from shared.domains.plans.progress import plan_of, state_of
from shared.domains.progress import Progress
from sqlmodel import Index

from console.domain import RunTable
from console.projection.tables import EntityRun


class PlanRunRow(EntityRun, table=True):
    """A run about a price plan; `state` is empty where it has learnt nothing of it."""

    __tablename__ = "plan_runs"
    __table_args__ = (Index("plan_runs_by_plan", "ref", "at", "owner"), Index("plan_runs_newest", "at", "owner"))


def _row(progress: Progress) -> dict[str, Any] | None:
    plan = plan_of(progress)
    return {"ref": plan, "state": state_of(progress) or "", "at": progress.at} if plan else None


RUNS = RunTable(PlanRunRow, _row)
