"""What flow links that were off did not do: runs that were `missed`, and that no later run has done since. A dry run
does nothing, nor does one that was cancelled or left out.

Where a flow acts on an entity's present state, its newest event replaces the earlier ones. Elsewhere each event holds
facts of its own, and several types may start a flow: a checkout that is complete, and later that it is paid.
"""

from __future__ import annotations

from typing import Any

from shared.domains import BUILT_IN
from shared.flows import runs
from shared.flows.dead_letters import acts_on_state
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
    """What a flow link missed of so many entities, in their order, beginning after one; of each the oldest first."""
    mine = and_(_missed(), col(RunRow.flow_link) == link)
    entities = select(col(RunRow.aggregate)).distinct().where(mine, col(RunRow.aggregate) > after)
    first = entities.order_by(col(RunRow.aggregate)).limit(limit)
    query = select(RunRow).where(mine, col(RunRow.aggregate).in_(first))
    found = session.scalars(query.order_by(col(RunRow.aggregate), col(RunRow.at), col(RunRow.id)))
    return [runs.decode_run(row.record) for row in found]


def _missed() -> ColumnElement[bool]:
    later: Any = aliased(RunRow)
    newer = exists().where(
        col(later.flow_link) == col(RunRow.flow_link),
        col(later.aggregate) == col(RunRow.aggregate),
        tuple_(col(later.at), col(later.id)) > tuple_(col(RunRow.at), col(RunRow.id)),
        col(later.handled),
        or_(
            col(RunRow.flow).not_in(_each_counts()),
            col(later.state).in_(("succeeded", "in_sync")),
            col(later.cause) == col(RunRow.id),
        ),
    )
    return and_(col(RunRow.state) == MISSED, ~newer)


def _each_counts() -> list[str]:
    """The flows whose events say more than which entity has news."""
    return [flow.id for flow in BUILT_IN.values() if not all(map(acts_on_state, flow.triggers))]
