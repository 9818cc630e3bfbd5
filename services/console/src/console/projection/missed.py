"""What flow links that were off did not do: entities whose newest run of a flow link is `missed`."""

from __future__ import annotations

from typing import Any

from shared.flows import runs
from shared.flows.runs import Run
from sqlalchemy import ColumnElement, and_, exists, func, select, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from console.projection.tables import RunRow

MISSED = "missed"


def counts(session: Session) -> dict[str, int]:
    """How many entities each flow link missed something of and has not handled since."""
    query = select(col(RunRow.flow_link), func.count(col(RunRow.aggregate).distinct())).where(_missed())
    return {str(link): int(count) for link, count in session.execute(query.group_by(RunRow.flow_link))}


def page(session: Session, link: str, limit: int, after: str = "") -> list[Run]:
    """The newest run of a flow link for each such entity, in the order of the entities, beginning after one."""
    query = select(RunRow).where(_missed(), col(RunRow.flow_link) == link, col(RunRow.aggregate) > after)
    found = session.scalars(query.order_by(col(RunRow.aggregate)).limit(limit))
    return [runs.decode_run(row.record) for row in found]


def _missed() -> ColumnElement[bool]:
    later: Any = aliased(RunRow)
    newer = exists().where(
        col(later.flow_link) == col(RunRow.flow_link),
        col(later.aggregate) == col(RunRow.aggregate),
        tuple_(col(later.at), col(later.id)) > tuple_(col(RunRow.at), col(RunRow.id)),
    )
    return and_(col(RunRow.state) == MISSED, ~newer)
