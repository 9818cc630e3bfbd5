"""What waits for a person: conflicts with what there is to choose from, and fields that differ and stay so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from shared.domains import BUILT_IN
from shared.domains import conflicts_of as kinds_of_conflict
from shared.errors import Blocked, Conflict, FlowLinkOff, OverwritesHeld, QuotaUsed, Waiting
from shared.flows import runs
from shared.flows.runs import Run
from shared.linking import mappings, pairs
from shared.linking.mappings import Mapping
from shared.linking.pairs import Difference, Known, PairStates
from sqlalchemy import ColumnElement, and_, distinct, exists, func, select, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from console.projection import queries
from console.projection.database import CHUNK
from console.projection.queries import Search
from console.projection.rows import Name, name_of
from console.projection.tables import DifferenceRow, MappingRow, NameRow, PairStateRow, RunRow
from shared import errors

CONFLICT_STATES = ("parked", "running")
"""A run in conflict is parked until a person has decided; now and then it looks again, and runs."""

WAITING = tuple(
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, Waiting) and not issubclass(kind, Conflict)
)
"""Classes of problems that only a change at the other side ends, without the conflicts."""
BLOCKED = (Blocked.__name__,)
"""Those that only a change of a connection ends."""
QUOTA_USED = (QuotaUsed.__name__,)
"""Those that end when a vendor lets more objects stand."""
HELD = (OverwritesHeld.__name__,)
"""Those that a person's permission ends. A run of a flow link that is off waits as somebody wanted it to."""

HELD_OFF = (FlowLinkOff.__name__,)
"""Those that end when a person switches a flow link on."""

RANK = {"linked": 0, "deleted": 1, "claimed": 2, "separate": 3}
"""Which mapping of an entity tells most; a withdrawn one tells nothing."""

_difference_decoder = msgspec.json.Decoder(Difference)


@dataclass(frozen=True)
class Differing:
    """A field of a linked pair whose values differ."""

    mapping: Mapping
    field: str
    difference: Difference


def conflicts_page(session: Session, search: Search) -> tuple[list[Run], tuple[str, str] | None]:
    """Newest first, and where the next page goes on. Of several runs of one entity (from a webhook and from a poller
    too) the newest represents all: one decision ends them.
    """
    later = aliased(RunRow)
    newer = tuple_(col(later.at), col(later.id)) > tuple_(col(RunRow.at), col(RunRow.id))
    reported = exists().where(_in_conflict(later), col(later.aggregate) == col(RunRow.aggregate), newer)
    if search.id:
        reported = reported.where(queries.found_by(session, later, search.id))
    return queries.runs_page(session, search, _in_conflict(RunRow), ~reported)


def conflict(session: Session, run_id: str) -> Run | None:
    """None if the run is not in conflict (any more)."""
    row = session.get(RunRow, run_id)
    is_one = row and row.problem == Conflict.__name__ and row.state in CONFLICT_STATES
    return runs.decode_run(row.record) if row and is_one else None


def conflicts_of(session: Session, entity: str) -> list[Run]:
    """The conflicts whose own entity this is, by its id or full ref."""
    found, _ = conflicts_page(session, Search(id=entity, limit=200))
    return [run for run in found if entity in (run.aggregate, name_of(run.aggregate).name)]


def left_out(session: Session, text: str) -> set[str]:
    """The entity of an id or full ref, if an import left it out for a conflict that ends when it matches none."""
    kinds = {kind.name for flow in BUILT_IN for kind in kinds_of_conflict(flow) if kind.separable}
    query = select(col(RunRow.aggregate)).where(
        col(RunRow.state) == "skipped", col(RunRow.verdict).in_(kinds), queries.found_by(session, RunRow, text)
    )
    return {ref for ref in session.scalars(query) if text in (ref, name_of(ref).name)}


def conflict_count(session: Session) -> int:
    """Entities in conflict."""
    query = select(func.count(distinct(col(RunRow.aggregate)))).where(_in_conflict(RunRow))
    return int(session.execute(query).scalar_one())


def parked_count(session: Session, problems: Iterable[str]) -> int:
    """Entities whose runs are parked by a problem of one of these classes."""
    query = select(func.count(distinct(col(RunRow.aggregate))))
    parked = query.where(col(RunRow.state) == "parked", col(RunRow.problem).in_(tuple(problems)))
    return int(session.execute(parked).scalar_one())


def parked_by_link(session: Session, problems: Iterable[str]) -> dict[str, int]:
    """Entities whose runs are parked by a problem of one of these classes, for each flow link."""
    query = select(col(RunRow.flow_link), func.count(distinct(col(RunRow.aggregate))))
    parked = query.where(col(RunRow.state) == "parked", col(RunRow.problem).in_(tuple(problems)))
    return {str(link): int(number) for link, number in session.execute(parked.group_by(RunRow.flow_link))}


def _in_conflict(table: Any) -> ColumnElement[bool]:
    return and_(col(table.problem) == Conflict.__name__, col(table.state).in_(CONFLICT_STATES))


def holders(session: Session, refs: Iterable[str]) -> dict[tuple[str, str], Mapping]:
    """The mapping that tells most of each entity, by relation and ref, without those that have none."""
    named = {name_of(ref): ref for ref in refs}
    found: dict[tuple[str, str], Mapping] = {}
    for name, mapping in _holders_of(session, {name.name for name in named}):
        if (ref := named.get(name)) and mapping.state in RANK:
            key = (mapping.relation, ref)
            if key not in found or RANK[mapping.state] < RANK[found[key].state]:
                found[key] = mapping
    return found


def pairs_of(session: Session, text: str) -> list[Mapping]:
    """Every mapping that names an entity, by its id alone or its full ref."""
    wanted = name_of(text)
    return [m for name, m in _holders_of(session, {wanted.name}) if not wanted.scope or name == wanted]


def _holders_of(session: Session, ids: Iterable[str]) -> list[tuple[Name, Mapping]]:
    """Mappings by the entities that they name. The run that wrote a mapping finds it too: that name has no scope."""
    wanted, found = sorted(ids), []
    for start in range(0, len(wanted), CHUNK):
        query = (
            select(col(NameRow.name), col(NameRow.scope), col(MappingRow.record))
            .join(MappingRow, col(MappingRow.id) == col(NameRow.owner))
            .where(col(NameRow.name).in_(wanted[start : start + CHUNK]), col(NameRow.scope) != "")
            .order_by(col(MappingRow.id))
        )
        found += [(Name(name, scope), mappings.decode(record)) for name, scope, record in session.execute(query)]
    return found


def differences_page(session: Session, search: Search) -> tuple[list[Differing], tuple[str, str] | None]:
    """Newest first, and where the next page goes on."""
    query = _differing(DifferenceRow, col(MappingRow.record))
    query = query.order_by(col(DifferenceRow.at).desc(), col(DifferenceRow.id).desc()).limit(search.limit + 1)
    if search.since:
        query = query.where(col(DifferenceRow.at) >= search.since)
    if search.after:
        query = query.where(tuple_(col(DifferenceRow.at), col(DifferenceRow.id)) < search.after)
    if search.id:
        query = query.where(queries.found_by(session, MappingRow, search.id))
    rows = session.execute(query).all()
    last = rows[search.limit - 1][0] if len(rows) > search.limit else None
    found = [
        Differing(mappings.decode(record), row.field, _difference_decoder.decode(row.record))
        for row, record in rows[: search.limit]
    ]
    return found, (last.at, last.id) if last else None


def known(session: Session, pair: Mapping) -> Known:
    """What the last comparison of a pair found, as the workers know it."""
    found = PairStates()
    for row in session.scalars(select(PairStateRow).where(col(PairStateRow.mapping) == pair.id)):
        found.apply(row.place, pairs.decode(row.record))
    return found.known(pair)


def difference_count(session: Session) -> int:
    return int(session.execute(_differing(func.count())).scalar_one())


def refused_count(session: Session) -> int:
    """Differences whose value the vendor refused: nobody but a person can mend it."""
    return int(session.execute(_differing(func.count()).where(col(DifferenceRow.refused))).scalar_one())


def _differing(*columns: Any) -> Any:
    """What the side's record that settled later tells of a pair that is linked now; a former link's says nothing."""
    later = aliased(PairStateRow)
    newer = exists().where(
        col(later.mapping) == col(PairStateRow.mapping),
        col(later.pair) == col(PairStateRow.pair),
        tuple_(col(later.settled), col(later.place)) > tuple_(col(PairStateRow.settled), col(PairStateRow.place)),
    )
    return (
        select(*columns)
        .select_from(DifferenceRow)
        .join(PairStateRow, col(PairStateRow.id) == col(DifferenceRow.owner))
        .join(
            MappingRow,
            and_(col(MappingRow.id) == col(PairStateRow.mapping), col(MappingRow.pair) == col(PairStateRow.pair)),
        )
        .where(col(MappingRow.state) == "linked", ~newer)
    )
