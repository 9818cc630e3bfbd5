"""The SQL tables of the console. Every row is a pure function of the newest record of its key, and of that record's
offset, which compaction leaves as it is: so a refold equals it.

A row holds what lists filter and order by, and the record itself; `names` finds all of them by any id.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, LargeBinary
from sqlmodel import Field, SQLModel

TABLES_VERSION = "19"
"""Raise it when rows of the same columns mean something else: older tables are dropped and folded again, as they are
when columns change."""


class EntityRun(SQLModel):
    """A run of one entity of a domain, in that domain's table: its full ref, what it was after the run, and when."""

    owner: str = Field(primary_key=True)
    ref: str
    state: str
    at: str


class RunRow(SQLModel, table=True):
    """One run; `at` is when it started, `problem` the class of what keeps it from going on, `verdict` what an import
    says of it; `waits_in` the run that waits in its place, `handled` whether it did anything about its entity. What it
    says of a domain's entity stands in that domain's table.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_newest", "at", "id"),
        Index("runs_by_state", "state", "at", "id"),
        Index("runs_by_problem", "problem", "state", "at", "id"),
        Index("runs_by_link", "flow_link", "aggregate", "at", "id"),
        Index("runs_by_cause", "cause", "aggregate", "at"),
    )

    id: str = Field(primary_key=True)
    at: str
    state: str
    problem: str
    flow: str
    flow_link: str
    cause: str
    verdict: str
    waits_in: str
    handled: bool
    event: str = Field(index=True)
    aggregate: str
    record: bytes = Field(sa_type=LargeBinary)


class MappingRow(SQLModel, table=True):
    """One claim or mapping; `at` is when its present state was written, `origin_app` where it began, `pair` both
    refs and the run that linked them.
    """

    __tablename__ = "mappings"
    __table_args__ = (Index("mappings_newest", "at", "id"), Index("mappings_by_state", "state", "at", "id"))

    id: str = Field(primary_key=True)
    at: str
    relation: str
    state: str
    origin_app: str
    pair: str
    record: bytes = Field(sa_type=LargeBinary)


class DeadLetterRow(SQLModel, table=True):
    """One dead letter; `at` is when it was written."""

    __tablename__ = "dead_letters"
    __table_args__ = (Index("dead_letters_newest", "at", "id"), Index("dead_letters_by_state", "state", "at", "id"))

    id: str = Field(primary_key=True)
    at: str
    state: str
    noun: str
    record: bytes = Field(sa_type=LargeBinary)


class ConnectionRow(SQLModel, table=True):
    """One connection, without its sealed secrets: they never enter SQL."""

    __tablename__ = "connections"

    id: str = Field(primary_key=True)
    state: str
    record: bytes = Field(sa_type=LargeBinary)


class KeyStateRow(SQLModel, table=True):
    """What a vendor said of one key, or of one operation with it."""

    __tablename__ = "key_states"

    id: str = Field(primary_key=True)
    connection: str = Field(index=True)
    record: bytes = Field(sa_type=LargeBinary)


class RefusedEventRow(SQLModel, table=True):
    """An event that a vendor sent to a connection it is not for; `at` is when it happened there."""

    __tablename__ = "refused_events"

    id: str = Field(primary_key=True)
    app: str
    connection: str
    reason: str
    at: str


class ImportRow(SQLModel, table=True):
    """One record of an import: its request or its progress."""

    __tablename__ = "imports"

    id: str = Field(primary_key=True)
    of: str = Field(index=True)
    record: bytes = Field(sa_type=LargeBinary)


class ReplayRow(SQLModel, table=True):
    """One record of a replay: its request or its progress."""

    __tablename__ = "replays"

    id: str = Field(primary_key=True)
    of: str = Field(index=True)
    record: bytes = Field(sa_type=LargeBinary)


class FlowLinkRow(SQLModel, table=True):
    """One flow link."""

    __tablename__ = "flow_links"

    id: str = Field(primary_key=True)
    record: bytes = Field(sa_type=LargeBinary)


class PairStateRow(SQLModel, table=True):
    """What one side's worker last knew of a pair. Of both sides the one that settled later holds, or else the one with
    the later `place`, its record's offset.
    """

    __tablename__ = "pair_states"

    id: str = Field(primary_key=True)
    mapping: str = Field(index=True)
    pair: str
    settled: int = Field(sa_type=BigInteger)
    place: int = Field(sa_type=BigInteger)
    record: bytes = Field(sa_type=LargeBinary)


class DifferenceRow(SQLModel, table=True):
    """One field of a pair state that differs. `id` is `mapping/field`, whichever side's record (`owner`) tells it;
    `refused`: the vendor refused the value.
    """

    __tablename__ = "differences"
    __table_args__ = (Index("differences_newest", "at", "id"),)

    owner: str = Field(primary_key=True)
    field: str = Field(primary_key=True)
    id: str
    at: str
    refused: bool
    record: bytes = Field(sa_type=LargeBinary)


class NameRow(SQLModel, table=True):
    """Every id under which a run, mapping or dead letter is found. `scope` is `app:mode:account/noun` of an entity."""

    __tablename__ = "names"
    __table_args__ = ({"sqlite_with_rowid": False},)

    name: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    owner: str = Field(primary_key=True, index=True)


class PositionRow(SQLModel, table=True):
    """How far a partition is folded: written in the same transaction as the rows."""

    __tablename__ = "positions"

    topic: str = Field(primary_key=True)
    partition: int = Field(primary_key=True)
    next_offset: int = Field(sa_type=BigInteger)


class AboutRow(SQLModel, table=True):
    """What these tables are: their version, and the topic prefix whose log they hold."""

    __tablename__ = "about"

    name: str = Field(primary_key=True)
    value: str


TABLES: tuple[type[SQLModel], ...] = tuple(
    found for found in list(globals().values()) if isinstance(found, type) and hasattr(found, "__table__")
)
"""All of them."""
