"""Pages of price plans, and what is known of one: found by any id of either side."""

from __future__ import annotations

from shared.domains.plans import PRODUCT
from shared.domains.plans.progress import KnownPlan, known_of
from shared.domains.plans.sessions import FLOW as SESSION_FLOW
from shared.domains.progress import Progress
from shared.flows import runs
from shared.flows.runs import Run
from shared.linking import mappings
from shared.linking.mappings import Mapping
from sqlalchemy import ColumnElement, not_, select, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from console.projection.queries import Search, found_by
from console.projection.run_progress import progress_of
from console.projection.tables import MappingRow, RunRow

MOST_CATALOG_RUNS, MOST_OFFER_RUNS = 100, 500
"""Runs of one plan that are read for what is known of it: about the plan itself, and about its offers."""
MOST_SHOWN = 50


def pair_of(session: Session, ref: str) -> Mapping | None:
    """The link of a plan and its product."""
    row = MappingRow
    query = select(row).where(
        col(row.relation) == PRODUCT.name, col(row.state).in_(("linked", "deleted")), found_by(session, row, ref)
    )
    found = session.scalars(query.limit(1)).first()
    return mappings.decode(found.record) if found else None


def refs_of(session: Session, text: str) -> set[str]:
    """The full refs of Togai's plans to which any id leads: of either side, of a run, an event or an account."""
    row = RunRow
    query = select(col(row.plan)).where(col(row.plan) != "", found_by(session, row, text)).distinct()
    found = {str(ref) for ref in session.scalars(query)}
    pairs = select(MappingRow).where(col(MappingRow.relation) == PRODUCT.name, found_by(session, MappingRow, text))
    return found | {mappings.decode(one.record).source for one in session.scalars(pairs)}


def page(session: Session, search: Search) -> tuple[list[KnownPlan], tuple[str, str] | None]:
    """Plans, the last changed first, and where the next page goes on. `search.equal` may name `state`."""
    row = RunRow
    query = select(row).where(col(row.plan) != "", col(row.plan_state) != "", _is_newest())
    query = query.order_by(col(row.plan_at).desc(), col(row.id).desc()).limit(search.limit + 1)
    if state := search.equal.get("state"):
        query = query.where(col(row.plan_state) == state)
    if search.id:
        query = query.where(col(row.plan).in_(refs_of(session, search.id)))
    if search.since:
        query = query.where(col(row.plan_at) >= search.since)
    if search.after:
        query = query.where(tuple_(col(row.plan_at), col(row.id)) < search.after)
    rows = list(session.scalars(query))
    more = rows[search.limit - 1] if len(rows) > search.limit else None
    shown = [known_of(one.plan, runs_of(session, one.plan)) for one in rows[: search.limit]]
    return shown, (more.plan_at, more.id) if more else None


def _is_newest() -> ColumnElement[bool]:
    """Whether no later run tells what the same plan is."""
    row, later = RunRow, aliased(RunRow)
    newer = tuple_(col(later.plan_at), col(later.id)) > tuple_(col(row.plan_at), col(row.id))
    of_same = select(col(later.id)).where(col(later.plan) == col(row.plan), col(later.plan_state) != "", newer)
    return not_(of_same.exists())


def runs_of(session: Session, ref: str) -> list[Progress]:
    """The last runs about a plan itself, and the last ones about its offers: many of these hide none of those. Requests
    for sessions, of which anybody with an offer's address can make as many as he likes, are left out.
    """
    row, found = RunRow, []
    for of_kind, most in (
        (col(row.aggregate) == ref, MOST_CATALOG_RUNS),
        (col(row.aggregate) != ref, MOST_OFFER_RUNS),
    ):
        query = (
            select(row)
            .where(col(row.plan) == ref, of_kind, col(row.flow) != SESSION_FLOW.id)
            .order_by(col(row.plan_at).desc())
            .limit(most)
        )
        found += [progress_of(runs.decode_run(one.record)) for one in session.scalars(query)]
    return found


def ran(session: Session, ref: str) -> list[Run]:
    """The last runs about a plan, newest first."""
    query = select(RunRow).where(col(RunRow.plan) == ref).order_by(col(RunRow.at).desc(), col(RunRow.id).desc())
    return [runs.decode_run(row.record) for row in session.scalars(query.limit(MOST_SHOWN))]
