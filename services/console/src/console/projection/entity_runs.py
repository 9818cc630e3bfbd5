"""What lists of a domain's entities ask the tables alike: an entity's link, where an id leads, its runs, a page."""

from __future__ import annotations

from collections.abc import Iterable

from shared.domains.model import Relation
from shared.domains.progress import Progress
from shared.flows import runs
from shared.linking import mappings
from shared.linking.mappings import Mapping
from sqlalchemy import ColumnElement, not_, select, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from console.projection.queries import Search, found_by
from console.projection.run_progress import progress_of
from console.projection.tables import EntityRun, MappingRow, RunRow

Table = type[EntityRun]


def pair_of(session: Session, relation: Relation, ref: str) -> Mapping | None:
    """The link of an entity to its other side."""
    row = MappingRow
    query = select(row).where(
        col(row.relation) == relation.name, col(row.state).in_(("linked", "deleted")), found_by(session, row, ref)
    )
    found = session.scalars(query.limit(1)).first()
    return mappings.decode(found.record) if found else None


def refs_of(session: Session, table: Table, relation: Relation, text: str) -> set[str]:
    """The full refs of a relation's sources to which any id leads: of either side, of a run, an event or an account."""
    ran = select(col(RunRow.id)).where(found_by(session, RunRow, text))
    found = set(session.scalars(select(col(table.ref)).where(col(table.owner).in_(ran))))
    pairs = select(MappingRow).where(col(MappingRow.relation) == relation.name, found_by(session, MappingRow, text))
    return found | {mappings.decode(one.record).source for one in session.scalars(pairs)}


def runs_of(session: Session, table: Table, wanted: ColumnElement[bool], most: int) -> list[Progress]:
    """The last of the runs that a table names and that are wanted, newest first."""
    query = select(col(RunRow.record)).join(table, col(table.owner) == col(RunRow.id)).where(wanted)
    found = session.scalars(query.order_by(col(table.at).desc()).limit(most))
    return [progress_of(runs.decode_run(record)) for record in found]


def page(
    session: Session,
    table: Table,
    search: Search,
    *also: ColumnElement[bool],
    among: Iterable[set[str]] = (),
    with_state: bool = False,
) -> tuple[list[str], tuple[str, str] | None]:
    """The full refs of entities, the last changed first, and where the next page goes on.

    Only those in all of `among`. `with_state`: only runs count that say in what state an entity is.
    """
    query = select(table).where(_is_newest(table, with_state=with_state), *also)
    query = query.where(*(col(table.ref).in_(refs) for refs in among))
    if search.since:
        query = query.where(col(table.at) >= search.since)
    if search.after:
        query = query.where(tuple_(col(table.at), col(table.owner)) < search.after)
    query = query.order_by(col(table.at).desc(), col(table.owner).desc()).limit(search.limit + 1)
    rows = list(session.scalars(query))
    more = rows[search.limit - 1] if len(rows) > search.limit else None
    return [row.ref for row in rows[: search.limit]], (more.at, more.owner) if more else None


def _is_newest(table: Table, *, with_state: bool) -> ColumnElement[bool]:
    """Whether no later run names the same entity; `with_state`: it says its state, and no later one does."""
    later = aliased(table)
    newer = tuple_(col(later.at), col(later.owner)) > tuple_(col(table.at), col(table.owner))
    stated = (col(later.state) != "",) if with_state else ()
    newest = not_(select(col(later.owner)).where(col(later.ref) == col(table.ref), newer, *stated).exists())
    return newest & (col(table.state) != "") if with_state else newest
