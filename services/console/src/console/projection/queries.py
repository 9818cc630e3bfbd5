"""Reading the tables: pages of records, found by any id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared.connections import Connection, FlowLink, connection_decoder, flow_link_decoder
from shared.flows import runs
from shared.flows.links import is_removed
from shared.flows.runs import DeadLetter, Run
from shared.key_states import KeyStates
from shared.key_states import decode as key_state_of
from shared.linking import mappings
from shared.linking.mappings import Mapping
from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_
from sqlmodel import Session, SQLModel, col

from console.projection.rows import LONGEST_NAME, Name, name_of
from console.projection.tables import (
    ConnectionRow,
    DeadLetterRow,
    FlowLinkRow,
    KeyStateRow,
    MappingRow,
    NameRow,
    RefusedEventRow,
    RunRow,
)

Listed = type[RunRow] | type[MappingRow] | type[DeadLetterRow]
Row = TypeVar("Row", bound=SQLModel)

LONGEST_SEARCH = LONGEST_NAME
"""Characters of what is looked for."""
HOPS = 50
"""How many runs or pairs an id may lead to before the search stops widening."""


@dataclass(frozen=True)
class Search:
    """What a list is narrowed to. `equal` holds columns and the values that they must have."""

    id: str = ""
    since: str = ""
    limit: int = 50
    after: tuple[str, str] | None = None
    equal: dict[str, str] = field(default_factory=dict)


def runs_page(session: Session, search: Search, *also: ColumnElement[bool]) -> tuple[list[Run], tuple[str, str] | None]:
    """Newest first, and where the next page goes on. `also` narrows what the search finds. Dry runs, of which a preview
    leaves as many as there are entities, are found by an id or their state alone.
    """
    if not search.id and "state" not in search.equal:
        also = (*also, col(RunRow.state) != "previewed")
    rows, after = _page(session, RunRow, search, *also)
    return [runs.decode_run(row.record) for row in rows], after


def mappings_page(session: Session, search: Search) -> tuple[list[Mapping], tuple[str, str] | None]:
    """Newest first, and where the next page goes on."""
    rows, after = _page(session, MappingRow, search)
    return [mappings.decode(row.record) for row in rows], after


def dead_letters_page(session: Session, search: Search) -> tuple[list[DeadLetter], tuple[str, str] | None]:
    """Newest first, and where the next page goes on."""
    rows, after = _page(session, DeadLetterRow, search)
    return [runs.decode_dead_letter(row.record) for row in rows], after


def run(session: Session, run_id: str) -> Run | None:
    row = session.get(RunRow, run_id)
    return runs.decode_run(row.record) if row else None


def mapping(session: Session, mapping_id: str) -> Mapping | None:
    row = session.get(MappingRow, mapping_id)
    return mappings.decode(row.record) if row else None


def dead_letter(session: Session, letter_id: str) -> DeadLetter | None:
    row = session.get(DeadLetterRow, letter_id)
    return runs.decode_dead_letter(row.record) if row else None


def connections(session: Session) -> list[Connection]:
    """Every connection that is not removed; `sealed` is empty."""
    return [connection for connection in all_connections(session) if connection.state != "removed"]


def all_connections(session: Session) -> list[Connection]:
    """Every connection, those that a person removed at the end."""
    query = select(ConnectionRow).order_by(col(ConnectionRow.state) == "removed", col(ConnectionRow.id))
    return [connection_decoder.decode(row.record) for row in session.scalars(query)]


def key_states(session: Session) -> KeyStates:
    """What the vendors said of every key."""
    found = KeyStates()
    for row in session.scalars(select(KeyStateRow)):
        found.apply(key_state_of(row.record))
    return found


def flow_links(session: Session) -> list[FlowLink]:
    """Every flow link that is not removed."""
    rows = session.scalars(select(FlowLinkRow).order_by(col(FlowLinkRow.id)))
    return [link for row in rows if not is_removed(link := flow_link_decoder.decode(row.record))]


def flow_link(session: Session, link_id: str) -> FlowLink | None:
    """None if there is none, or it is removed."""
    row = session.get(FlowLinkRow, link_id)
    found = flow_link_decoder.decode(row.record) if row else None
    return found if found and not is_removed(found) else None


def refused_events(session: Session) -> list[tuple[str, str, str, int, str]]:
    """App, connection, reason, how many, and the time of the last one."""
    row = RefusedEventRow
    by = (col(row.connection), col(row.reason), col(row.app))
    query = select(*by, func.count(), func.max(row.at)).group_by(*by).order_by(*by)
    return [(app, connection, reason, int(n), str(last)) for connection, reason, app, n, last in session.execute(query)]


def counts(session: Session, table: Listed) -> dict[str, int]:
    """How many there are in each state."""
    return {
        str(state): int(n) for state, n in session.execute(select(col(table.state), func.count()).group_by(table.state))
    }


def newest(session: Session, table: Listed) -> str | None:
    """Time of the newest one."""
    found = session.execute(select(func.max(table.at))).scalar()
    return str(found) if found else None


def _page(
    session: Session, table: Any, search: Search, *also: ColumnElement[bool]
) -> tuple[list[Any], tuple[str, str] | None]:
    query = select(table).where(*also).order_by(table.at.desc(), table.id.desc()).limit(search.limit + 1)
    for column, value in search.equal.items():
        query = query.where(getattr(table, column) == value)
    if search.since:
        query = query.where(table.at >= search.since)
    if search.after:
        query = query.where(tuple_(table.at, table.id) < search.after)
    if search.id:
        query = query.where(found_by(session, table, search.id))
    rows = list(session.scalars(query))
    more = rows[search.limit - 1] if len(rows) > search.limit else None
    return rows[: search.limit], (more.at, more.id) if more else None


def found_by(session: Session, table: Any, text: str) -> ColumnElement[bool]:
    """The rows of a table that any id leads to."""
    wanted = _widened(session, text.strip())
    matches = or_(*(_named(name) for name in wanted))
    owners = select(col(NameRow.owner)).where(matches)
    return or_(table.id.in_({name.name for name in wanted}), table.id.in_(owners))


def _named(name: Name) -> ColumnElement[bool]:
    same = col(NameRow.name) == name.name
    return and_(same, col(NameRow.scope) == name.scope) if name.scope else same


def _widened(session: Session, text: str) -> set[Name]:
    """The id itself, and what it refers to: an event's runs, a dead letter's run, a mapping's two sides."""
    wanted = {Name(text), name_of(text)}
    wanted |= {Name(i) for i in session.scalars(select(col(RunRow.id)).where(col(RunRow.event) == text).limit(HOPS))}
    if letter := dead_letter(session, text):
        wanted.add(Name(letter.run.id if letter.run else letter.event or letter.id))
    if pair := mapping(session, text):
        wanted |= {Name(pair.run), *(name_of(ref) for ref in pair.refs)}
    return {name for name in wanted if name.name}
