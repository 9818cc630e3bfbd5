"""From a record of the log to its row: pure, one function per kind of record."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from shared.events.envelope import check_version
from shared.events.topics import Topics
from shared.identity import Ref
from sqlmodel import SQLModel

from console.projection.tables import ConnectionRow, DeadLetterRow, FlowLinkRow, MappingRow, RunRow
from shared import connections, mappings, runs


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
    """What one record does to the tables: `values` None removes the row. `record` is the decoded record."""

    kind: Kind
    key: str
    values: dict[str, Any] | None
    names: frozenset[Name] = frozenset()
    record: msgspec.Struct | None = None


@dataclass(frozen=True)
class Kind:
    """One kind of record: its table, and how a record becomes its row. `named` kinds are found by any id."""

    name: str
    table: type[SQLModel]
    read: Callable[[bytes], tuple[msgspec.Struct, dict[str, Any], Iterable[str]]]
    named: bool = True

    def fold(self, key: str, value: bytes | None) -> Folded:
        """Raises msgspec.DecodeError for what is no record of this kind, StopWorker for another major version."""
        if value is None:
            return Folded(self, key, None)
        record, values, names = self.read(value)
        # PostgreSQL takes no NUL in text; no id holds one, but a vendor's body is not ours to trust.
        clean = {k: v.replace("\x00", "") if isinstance(v, str) else v for k, v in values.items()}
        found = frozenset(name_of(n.replace("\x00", "")) for n in names if n)
        return Folded(self, str(clean["id"]), clean, found if self.named else frozenset(), record)


def _run(value: bytes) -> tuple[msgspec.Struct, dict[str, Any], Iterable[str]]:
    run = runs.decode_run(value)
    row = {"id": run.id, "at": run.started_at, "state": run.state, "flow": run.flow, "event": run.event}
    return run, row | {"record": value}, (run.event, run.aggregate, run.superseded_by, *run.refs)


def _mapping(value: bytes) -> tuple[msgspec.Struct, dict[str, Any], Iterable[str]]:
    mapping = mappings.decode(value)
    row = {"id": mapping.id, "at": mapping.at, "state": mapping.state, "born": mapping.source.partition(":")[0]}
    return mapping, row | {"record": value}, (*mapping.refs, *mapping.also, mapping.run)


def _dead_letter(value: bytes) -> tuple[msgspec.Struct, dict[str, Any], Iterable[str]]:
    letter = runs.decode_dead_letter(value)
    row = {"id": letter.id, "at": letter.buried_at, "state": letter.state, "noun": letter.noun}
    of_run = (letter.run.id, *letter.run.refs) if letter.run else ()
    return letter, row | {"record": value}, (letter.event, letter.aggregate, *of_run, *letter.problem.candidates)


def _connection(value: bytes) -> tuple[msgspec.Struct, dict[str, Any], Iterable[str]]:
    connection = connections.connection_decoder.decode(value)
    check_version(connection.schemaversion)
    shown = msgspec.structs.replace(connection, sealed="")
    return shown, {"id": shown.id, "state": shown.state, "record": connections.encode(shown)}, ()


def _flow_link(value: bytes) -> tuple[msgspec.Struct, dict[str, Any], Iterable[str]]:
    link = connections.flow_link_decoder.decode(value)
    check_version(link.schemaversion)
    return link, {"id": link.id, "record": value}, ()


RUN = Kind("run", RunRow, _run)
MAPPING = Kind("mapping", MappingRow, _mapping)
DEAD_LETTER = Kind("dead-letter", DeadLetterRow, _dead_letter)
CONNECTION = Kind("connection", ConnectionRow, _connection, named=False)
FLOW_LINK = Kind("flow-link", FlowLinkRow, _flow_link, named=False)


def kinds(topics: Topics) -> dict[str, Kind]:
    """Which kind of record stands on which topic."""
    return {
        topics.runs: RUN,
        topics.mappings: MAPPING,
        topics.dead_letters: DEAD_LETTER,
        topics.connections: CONNECTION,
        topics.flow_links: FLOW_LINK,
    }
