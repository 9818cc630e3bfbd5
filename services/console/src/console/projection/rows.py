"""From a record of the log to its row: pure, one function per kind of record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from shared.events.envelope import check_version
from shared.events.topics import Topics
from shared.flows import imports, replays, runs
from shared.identity import Ref
from shared.linking import mappings, pairs
from sqlmodel import SQLModel

from console.domain import RunTable
from console.domains import servers
from console.projection.run_progress import progress_of
from console.projection.tables import (
    ConnectionRow,
    DeadLetterRow,
    DifferenceRow,
    FlowLinkRow,
    ImportRow,
    KeyStateRow,
    MappingRow,
    PairStateRow,
    RefusedEventRow,
    ReplayRow,
    RunRow,
)
from shared import connections, key_states

Part = tuple[type[SQLModel], dict[str, Any]]
"""A row of another table that belongs to a record's row, without its owner."""


class Name(NamedTuple):
    """An id, and for an entity's id the `app:mode:account/noun` that it belongs to."""

    name: str
    scope: str = ""


def name_of(text: str) -> Name:
    """A full ref taken apart; anything else is a bare id."""
    try:
        ref = Ref.parse(text)
    except ValueError:
        return Name(text)
    return Name(ref.id, f"{ref.account}/{ref.noun}") if ref.account.count(":") >= 2 else Name(text)


@dataclass(frozen=True)
class Folded:
    """What one record does to the tables: `values` None removes the row. `record` is the decoded record.

    `parts` are rows of the kind's other tables, which belong to this row and go with it.
    """

    kind: Kind
    key: str
    values: dict[str, Any] | None
    names: frozenset[Name] = frozenset()
    parts: tuple[Part, ...] = ()
    record: msgspec.Struct | None = None


@dataclass(frozen=True)
class Read:
    """What a record says: its row's values, the ids that find it, the values of its parts."""

    record: msgspec.Struct
    values: dict[str, Any]
    names: Iterable[str] = ()
    parts: Iterable[Part] = ()


LONGEST_NAME = 600
"""Characters of what is found by its name: an id with its account. PostgreSQL indexes 2,704 bytes at most, and whoever
looks for something gives no longer one.
"""


class NotShown(Exception):
    """A good record of which no table holds anything."""


@dataclass(frozen=True)
class Kind:
    """One kind of record: its table, and how a record becomes its row. `named` kinds are found by any id.

    `parts` are the tables of what a record holds several of; `placed` kinds keep the offset of their record.
    """

    name: str
    table: type[SQLModel]
    read: Callable[[bytes], Read]
    named: bool = True
    parts: Callable[[], Sequence[type[SQLModel]]] = tuple
    placed: bool = False

    def fold(self, key: str, value: bytes | None, offset: int = 0) -> Folded:
        """Raises NotShown for a record of which no table holds anything, msgspec.DecodeError for what is no record of
        this kind, StopWorker for another major version.
        """
        if value is None:
            return Folded(self, key, None)
        found = self.read(value)
        values = _clean(found.values | ({"place": offset} if self.placed else {}))
        owner = str(values["id"])
        names = frozenset(name_of(n.replace("\x00", "")) for n in found.names if n and len(n) <= LONGEST_NAME)
        parts = tuple((table, _clean(part | {"owner": owner})) for table, part in found.parts)
        return Folded(self, owner, values, names if self.named else frozenset(), parts, found.record)


def _clean(values: dict[str, Any]) -> dict[str, Any]:
    # PostgreSQL takes no NUL in text; no id holds one, but a vendor's body is not ours to trust.
    return {k: v.replace("\x00", "") if isinstance(v, str) else v for k, v in values.items()}


def pair_text(refs: Iterable[str], run: str) -> str:
    """Both refs of a pair and the run that linked them as one text: what is known of a former link says nothing."""
    return "\n".join((*refs, run))


def _run(value: bytes) -> Read:
    run = runs.decode_run(value)
    row: dict[str, Any] = {"id": run.id, "at": run.started_at, "state": run.state, "flow": run.flow, "event": run.event}
    row |= {"flow_link": run.flow_link, "cause": run.cause, "verdict": run.verdict}
    row |= {"waits_in": run.superseded_by if run.state == "skipped" else ""}
    row |= {"handled": run.handled and run.state != "previewed"}  # of an older Tandem's dry run the state alone tells
    row |= {"aggregate": run.aggregate, "problem": run.problem.error if run.problem else ""}
    candidates = run.problem.candidates if run.problem else ()
    names = (run.event, run.aggregate, run.superseded_by, *run.refs, *candidates)
    progress = progress_of(run)
    parts = [(each.table, dict(values)) for each in _run_tables() if (values := each.row(progress)) is not None]
    return Read(run, row | {"record": value}, names, parts)


def _run_tables() -> list[RunTable]:
    return [each for server in servers() for each in server.run_tables]


def _mapping(value: bytes) -> Read:
    mapping = mappings.decode(value)
    row = {"id": mapping.id, "at": mapping.at, "state": mapping.state, "origin_app": mapping.began_at}
    row |= {"relation": mapping.relation}
    row |= {"pair": pair_text(mapping.refs, mapping.run)}
    return Read(mapping, row | {"record": value}, (*mapping.refs, *mapping.also, mapping.run))


def _dead_letter(value: bytes) -> Read:
    letter = runs.decode_dead_letter(value)
    row = {"id": letter.id, "at": letter.dead_lettered_at, "state": letter.state, "noun": letter.noun}
    of_run = (letter.run.id, *letter.run.refs) if letter.run else ()
    names = (letter.event, letter.aggregate, *of_run, *letter.problem.candidates)
    return Read(letter, row | {"record": value}, names)


def _connection(value: bytes) -> Read:
    connection = connections.connection_decoder.decode(value)
    check_version(connection.schemaversion)
    shown = msgspec.structs.replace(connection, sealed="")
    return Read(shown, {"id": shown.id, "state": shown.state, "record": connections.encode(shown)})


def _key_state(value: bytes) -> Read:
    state = key_states.decode(value)
    return Read(state, {"id": state.key, "connection": state.connection, "record": value})


def _flow_link(value: bytes) -> Read:
    link = connections.flow_link_decoder.decode(value)
    check_version(link.schemaversion)
    return Read(link, {"id": link.id, "record": value})


def _import(value: bytes) -> Read:
    found = imports.decode(value)
    return Read(found, {"id": found.key, "of": found.id, "record": value})


def _replay(value: bytes) -> Read:
    found = replays.decode(value)
    return Read(found, {"id": found.key, "of": found.id, "record": value})


def _pair_state(value: bytes) -> Read:
    state = pairs.decode(value)
    parts: list[Part] = [
        (
            DifferenceRow,
            {
                "id": f"{state.mapping}/{field}",
                "field": field,
                "at": found.since,
                "refused": bool(found.refused),
                "record": pairs.encode(found),
            },
        )
        for field, found in state.differences.items()
    ]
    row = {
        "id": state.key,
        "mapping": state.mapping,
        "pair": pair_text(state.pair, state.link),
        "settled": state.settled,
        "record": value,
    }
    return Read(state, row, parts=parts)


class _Other(msgspec.Struct):
    """An event that no trigger knows, as far as the tables need it."""

    id: str
    appaccount: str
    connection: str
    time: str
    schemaversion: str
    refused: str = ""


_other_decoder = msgspec.json.Decoder(_Other)


def _refused_event(value: bytes) -> Read:
    event = _other_decoder.decode(value)
    check_version(event.schemaversion)
    if not event.refused:
        raise NotShown
    row = {"id": f"{event.connection}/{event.id}", "connection": event.connection, "reason": event.refused}
    return Read(event, row | {"app": event.appaccount.partition(":")[0], "at": event.time})


RUN = Kind("run", RunRow, _run, parts=lambda: [each.table for each in _run_tables()])
MAPPING = Kind("mapping", MappingRow, _mapping)
DEAD_LETTER = Kind("dead-letter", DeadLetterRow, _dead_letter)
CONNECTION = Kind("connection", ConnectionRow, _connection, named=False)
KEY_STATE = Kind("key-state", KeyStateRow, _key_state, named=False)
REFUSED_EVENT = Kind("refused-event", RefusedEventRow, _refused_event, named=False)
IMPORT = Kind("import", ImportRow, _import, named=False)
REPLAY = Kind("replay", ReplayRow, _replay, named=False)
FLOW_LINK = Kind("flow-link", FlowLinkRow, _flow_link, named=False)
PAIR_STATE = Kind("pair-state", PairStateRow, _pair_state, named=False, parts=lambda: [DifferenceRow], placed=True)


def kinds(topics: Topics) -> dict[str, Kind]:
    """Which kind of record stands on which topic."""
    return {
        topics.runs: RUN,
        topics.mappings: MAPPING,
        topics.dead_letters: DEAD_LETTER,
        topics.connections: CONNECTION,
        topics.key_states: KEY_STATE,
        topics.other: REFUSED_EVENT,
        topics.flow_links: FLOW_LINK,
        topics.pair_states: PAIR_STATE,
        topics.imports: IMPORT,
        topics.replays: REPLAY,
    }
