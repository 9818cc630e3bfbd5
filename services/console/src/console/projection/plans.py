"""Pages of price plans, and what is known of one: found by any id of either side."""

from __future__ import annotations

from shared.domains.plans import PRODUCT
from shared.domains.plans.flows import CHECKOUT_TO_PLAN
from shared.domains.plans.progress import KnownPlan, known_of, offer_of
from shared.domains.plans.sessions import FLOW as SESSION_FLOW
from shared.domains.progress import Progress
from shared.flows import runs
from shared.flows.runs import Run
from shared.identity import Ref
from sqlalchemy import ColumnElement, and_, select, tuple_
from sqlmodel import Session, col

from console.projection.of_noun import is_newest, refs_of
from console.projection.queries import Search
from console.projection.run_progress import progress_of
from console.projection.tables import NameRow, RunRow

MOST_CATALOG_RUNS, MOST_OFFER_RUNS = 100, 500
"""Runs of one plan that are read for what is known of it: about the plan itself, and about its offers."""
MOST_SHOWN = 50


def page(session: Session, search: Search) -> tuple[list[KnownPlan], tuple[str, str] | None]:
    """Plans, the last changed first, and where the next page goes on. `search.equal` may name `state`."""
    row = RunRow
    query = select(row).where(col(row.plan) != "", col(row.plan_state) != "", is_newest("plan", with_state=True))
    query = query.order_by(col(row.plan_at).desc(), col(row.id).desc()).limit(search.limit + 1)
    if state := search.equal.get("state"):
        query = query.where(col(row.plan_state) == state)
    if search.id:
        query = query.where(col(row.plan).in_(refs_of(session, "plan", PRODUCT, search.id)))
    if search.since:
        query = query.where(col(row.plan_at) >= search.since)
    if search.after:
        query = query.where(tuple_(col(row.plan_at), col(row.id)) < search.after)
    rows = list(session.scalars(query))
    more = rows[search.limit - 1] if len(rows) > search.limit else None
    shown = [known_of(one.plan, runs_of(session, one.plan)) for one in rows[: search.limit]]
    return shown, (more.plan_at, more.id) if more else None


def runs_of(session: Session, ref: str) -> list[Progress]:
    """The last runs about a plan itself, and the last ones about its offers: many of these hide none of those. Requests
    for sessions, of which anybody with an offer's address can make as many as he likes, are left out.
    """
    row, found = RunRow, []
    for of_kind, most in (
        (and_(col(row.plan) == ref, col(row.aggregate) == ref), MOST_CATALOG_RUNS),
        (and_(col(row.plan) == ref, col(row.aggregate) != ref), MOST_OFFER_RUNS),
    ):
        found += _decoded(session, and_(of_kind, col(row.flow) != SESSION_FLOW.id), most)
    offers = {offer for one in found if (offer := offer_of(one))}
    return found + (_decoded(session, _of_other_plans(ref, offers), MOST_OFFER_RUNS) if offers else [])


def _decoded(session: Session, wanted: ColumnElement[bool], most: int) -> list[Progress]:
    query = select(RunRow).where(wanted).order_by(col(RunRow.plan_at).desc()).limit(most)
    return [progress_of(runs.decode_run(one.record)) for one in session.scalars(query)]


def _of_other_plans(ref: str, offers: set[str]) -> ColumnElement[bool]:
    """Checkouts of other plans that name an offer of this one: they closed it."""
    scope, names = f"{Ref.parse(ref).account}/offer", {Ref.parse(offer).id for offer in offers}
    named = select(col(NameRow.owner)).where(col(NameRow.name).in_(names), col(NameRow.scope) == scope)
    return and_(col(RunRow.id).in_(named), col(RunRow.plan) != ref, col(RunRow.flow) == CHECKOUT_TO_PLAN.id)


def ran(session: Session, ref: str) -> list[Run]:
    """The last runs about a plan, newest first."""
    query = select(RunRow).where(col(RunRow.plan) == ref).order_by(col(RunRow.at).desc(), col(RunRow.id).desc())
    return [runs.decode_run(row.record) for row in session.scalars(query.limit(MOST_SHOWN))]
