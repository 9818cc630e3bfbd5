"""What flow links that were off did not do: entities whose newest run of a flow link is `missed`."""

from __future__ import annotations

from typing import Any

from shared.flows import runs
from shared.flows.runs import Run
from sqlalchemy import ColumnElement, and_, exists, func, or_, select, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from console.projection import pending, queries
from console.projection.tables import RunRow

MISSED = "missed"


def counts(session: Session) -> dict[str, int]:
    """How many entities each flow link missed something of and has not handled since."""
    query = select(col(RunRow.flow_link), func.count(col(RunRow.aggregate).distinct())).where(_missed())
    return {str(link): int(count) for link, count in session.execute(query.group_by(RunRow.flow_link))}


def behind(session: Session, text: str = "") -> list[str]:
    """The flow links that missed something, or hold runs, of what an id leads to; without one, of anything."""
    held = and_(col(RunRow.state) == "parked", col(RunRow.problem).in_(pending.HELD_OFF))
    query = select(col(RunRow.flow_link)).distinct().where(or_(_missed(), held))
    if text:
        others = {ref for pair in pending.pairs_of(session, text) for ref in pair.refs}
        query = query.where(or_(queries.found_by(session, RunRow, text), col(RunRow.aggregate).in_(others)))
    there = {link.id for link in queries.flow_links(session)}
    return sorted(there & {str(link) for link in session.scalars(query)})


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
