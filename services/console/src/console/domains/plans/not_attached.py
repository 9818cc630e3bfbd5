"""Offers that were paid, and whose plan the account does not have yet."""

from __future__ import annotations

from shared.domains.plans.flows import CHECKOUT_TO_PLAN
from shared.domains.plans.progress import not_attached
from shared.flows import runs
from sqlalchemy import select
from sqlmodel import Session, col

from console.projection.run_progress import progress_of
from console.projection.tables import RunRow

MOST = 20
STATES = ("parked", "dead")
"""Of runs that somebody has to do something about, or that wait for it."""


def sentences(session: Session) -> list[str]:
    """How much was paid for what, why the account does not have it, and where to look; the latest first."""
    row = RunRow
    query = select(row).where(col(row.flow) == CHECKOUT_TO_PLAN.id, col(row.state).in_(STATES))
    found = session.scalars(query.order_by(col(row.at).desc()).limit(MOST))
    return [text for one in found if (text := not_attached(progress_of(runs.decode_run(one.record))))]
