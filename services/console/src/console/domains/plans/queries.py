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
from sqlalchemy import ColumnElement, and_, select
from sqlmodel import Session, col

from console.domains.plans.tables import PlanRunRow
from console.projection import entity_runs
from console.projection.queries import Search
from console.projection.tables import NameRow, RunRow

MOST_CATALOG_RUNS, MOST_OFFER_RUNS = 100, 500
"""Runs of one plan that are read for what is known of it: about the plan itself, and about its offers."""
MOST_SHOWN = 50


def page(session: Session, search: Search) -> tuple[list[KnownPlan], tuple[str, str] | None]:
    """Plans, the last changed first, and where the next page goes on. `search.equal` may name `state`."""
    row, state = PlanRunRow, search.equal.get("state")
    in_state = (col(row.state) == state,) if state else ()
    among = (refs_of(session, search.id),) if search.id else ()
    found, after = entity_runs.page(session, row, search, *in_state, among=among, with_state=True)
    return [known_of(ref, runs_of(session, ref)) for ref in found], after


def refs_of(session: Session, text: str) -> set[str]:
    """The full refs of Togai's plans to which any id leads."""
    return entity_runs.refs_of(session, PlanRunRow, PRODUCT, text)


def runs_of(session: Session, ref: str) -> list[Progress]:
    """The last runs about a plan itself, and the last ones about its offers: many of these hide none of those. Requests
    for sessions, of which anybody with an offer's address can make as many as he likes, are left out.
    """
    of_plan, found = and_(col(PlanRunRow.ref) == ref, col(RunRow.flow) != SESSION_FLOW.id), []
    for of_kind, most in (
        (col(RunRow.aggregate) == ref, MOST_CATALOG_RUNS),
        (col(RunRow.aggregate) != ref, MOST_OFFER_RUNS),
    ):
        found += entity_runs.runs_of(session, PlanRunRow, and_(of_plan, of_kind), most)
    offers = {offer for one in found if (offer := offer_of(one))}
    if not offers:
        return found
    return found + entity_runs.runs_of(session, PlanRunRow, _of_other_plans(ref, offers), MOST_OFFER_RUNS)


def _of_other_plans(ref: str, offers: set[str]) -> ColumnElement[bool]:
    """Checkouts of other plans that name an offer of this one: they closed it."""
    scope, names = f"{Ref.parse(ref).account}/offer", {Ref.parse(offer).id for offer in offers}
    named = select(col(NameRow.owner)).where(col(NameRow.name).in_(names), col(NameRow.scope) == scope)
    return and_(col(RunRow.id).in_(named), col(PlanRunRow.ref) != ref, col(RunRow.flow) == CHECKOUT_TO_PLAN.id)


def ran(session: Session, ref: str) -> list[Run]:
    """The last runs about a plan, newest first."""
    query = select(col(RunRow.record)).join(PlanRunRow, col(PlanRunRow.owner) == col(RunRow.id))
    query = query.where(col(PlanRunRow.ref) == ref).order_by(col(RunRow.at).desc(), col(RunRow.id).desc())
    return [runs.decode_run(record) for record in session.scalars(query.limit(MOST_SHOWN))]
