"""The SQL side of the projection: the tables, the positions, and one transaction for both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import Misconfigured
from shared.log import get_logger
from shared.private import private_file
from sqlalchemy import Engine, bindparam, create_engine, delete, event, inspect, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable
from sqlmodel import Session, SQLModel, col

from console.domains import DOMAINS
from console.projection.rows import Folded, Kind
from console.projection.tables import TABLES, TABLES_VERSION, AboutRow, NameRow, PositionRow

log = get_logger(__name__)

Partition = tuple[str, int]

CHUNK = 1000
"""Values in one IN list: each engine has a limit of its own, far above."""


class PositionMoved(Exception):
    """Another console has folded this partition further in the same database: read the positions again."""


@dataclass(frozen=True)
class Move:
    """A partition's position before and after a batch."""

    partition: Partition
    before: int
    after: int


@dataclass(frozen=True)
class Batch:
    """What is written in one transaction: the moves of the positions, and the records in the order of the log."""

    moves: Sequence[Move]
    folded: Sequence[Folded] = field(default_factory=tuple)


def driver_url(url: str) -> str:
    """A plain `postgresql://` address means psycopg 3, the driver that is installed."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else url


class Database:
    """The tables under one topic prefix."""

    def __init__(self, url: str, prefix: str = "") -> None:
        self.prefix = prefix
        self.engine = _engine(driver_url(url))

    def prepare(self) -> None:
        """Create the tables; those of another version are dropped, the log fills them again.

        Raises Misconfigured if the database holds the tables of another topic prefix.
        """
        version = _version()
        SQLModel.metadata.create_all(self.engine)
        with Session(self.engine) as session:
            about = {row.name: row.value for row in session.scalars(select(AboutRow))}
        if about.get("prefix", self.prefix) != self.prefix:
            raise Misconfigured(
                f"the console's database holds the log under the topic prefix {about['prefix']!r}, this one has "
                f"{self.prefix!r}: give each its own database by DATABASE_URL or TANDEM_HOME"
            )
        if about.get("version", version) != version:
            log.warning("projection.tables_outdated", found=about["version"], wanted=version, action="refold")
            self.drop()
            SQLModel.metadata.create_all(self.engine)
        with Session(self.engine) as session:
            values = [{"name": "version", "value": version}, {"name": "prefix", "value": self.prefix}]
            session.execute(self._insert(AboutRow).on_conflict_do_nothing(), values)
            session.commit()

    def drop(self) -> None:
        """Throw the tables away. Nothing is lost: they are folded again from the log."""
        present = set(inspect(self.engine).get_table_names())
        SQLModel.metadata.drop_all(
            self.engine, tables=[t for t in SQLModel.metadata.sorted_tables if t.name in present]
        )

    def close(self) -> None:
        self.engine.dispose()

    def positions(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The next offset to fold of each partition, 0 for one that is new here."""
        wanted = list(partitions)
        with Session(self.engine) as session:
            if wanted:
                values = [{"topic": t, "partition": p, "next_offset": 0} for t, p in wanted]
                session.execute(self._insert(PositionRow).on_conflict_do_nothing(), values)
            session.commit()
            rows = session.scalars(select(PositionRow))
            known = {(row.topic, row.partition): row.next_offset for row in rows}
        return {partition: known[partition] for partition in wanted}

    def fold(self, batch: Batch) -> None:
        """Write the rows and the positions in one transaction. A batch that was folded before changes nothing.

        Raises PositionMoved if the tables are not where the batch begins.
        """
        with Session(self.engine) as session:
            # The positions first: this takes the write lock, and a batch read twice ends here.
            for move in batch.moves:
                self._move(session, move)
            newest: dict[Kind, dict[str, Folded]] = {}
            for folded in batch.folded:
                newest.setdefault(folded.kind, {})[folded.key] = folded
            for kind, by_key in newest.items():
                self._write(session, kind, list(by_key.values()))
            session.commit()

    def forget(self, topic: str, kind: Kind) -> None:
        """Empty what was folded from a topic and begin at its first record: the topic was recreated."""
        with Session(self.engine) as session:
            session.execute(update(PositionRow).where(col(PositionRow.topic) == topic).values(next_offset=0))
            for table in _second_tables(kind):
                owners = select(kind.table.__table__.c.id)  # type: ignore[attr-defined]
                session.execute(delete(table).where(table.owner.in_(owners)))
            session.execute(delete(kind.table))
            session.commit()

    def _move(self, session: Session, move: Move) -> None:
        topic, partition = move.partition
        statement = update(PositionRow).where(
            col(PositionRow.topic) == topic,
            col(PositionRow.partition) == partition,
            col(PositionRow.next_offset) == move.before,
        )
        result: Any = session.execute(statement.values(next_offset=move.after))
        if result.rowcount != 1:
            raise PositionMoved(f"{topic}/{partition} is not at offset {move.before}")

    def _write(self, session: Session, kind: Kind, folded: list[Folded]) -> None:
        table = kind.table.__table__  # type: ignore[attr-defined]
        gone = [{"gone": f.key} for f in folded if f.values is None]
        if gone:
            session.connection().execute(delete(table).where(table.c.id == bindparam("gone")), gone)
        for second in _second_tables(kind):
            for start in range(0, len(folded), CHUNK):
                owners = [f.key for f in folded[start : start + CHUNK]]
                session.execute(delete(second).where(second.owner.in_(owners)))
        names = [{"name": n.name, "scope": n.scope, "owner": f.key} for f in folded for n in sorted(f.names)]
        if names:
            session.connection().execute(self._insert(NameRow).on_conflict_do_nothing(), names)
        for other in kind.parts():
            if parts := [values for f in folded for of, values in f.parts if of is other]:
                session.connection().execute(self._insert(other), parts)
        values = [f.values for f in folded if f.values is not None]
        if values:
            statement = self._insert(kind.table)
            changed = {c.name: statement.excluded[c.name] for c in table.c if c.name != "id"}
            session.connection().execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed), values)

    def _insert(self, table: type[SQLModel]) -> Any:
        dialect: Any = postgresql if self.engine.dialect.name == "postgresql" else sqlite
        return dialect.insert(table.__table__)  # type: ignore[attr-defined]


def _version() -> str:
    """Of the console's own tables, and of each domain's that has some: its number, and what columns there are."""
    found = {domain.name: domain.server() for domain in DOMAINS.values()}
    own = (
        f"{name}:{server.version}:{_columns([one.table for one in server.run_tables])}"
        for name, server in found.items()
        if server.run_tables
    )
    return " ".join((f"{TABLES_VERSION}:{_columns(TABLES)}", *own))


def _columns(tables: Iterable[type[SQLModel]]) -> str:
    """The shape of some tables, short: a changed column makes other tables, whoever forgets to raise the number."""
    made = [str(CreateTable(table.__table__)) for table in tables]  # type: ignore[attr-defined]
    return hashlib.sha256("".join(made).encode()).hexdigest()[:12]


def _second_tables(kind: Kind) -> list[Any]:
    """The tables whose rows belong to rows of the kind's own table, by `owner`."""
    return [*((NameRow,) if kind.named else ()), *kind.parts()]


def _engine(url: str) -> Engine:
    if not url.startswith(("sqlite", "postgresql+psycopg")):
        raise Misconfigured(
            f"DATABASE_URL begins with {url.partition(':')[0]!r}: the console keeps its tables in SQLite "
            "(leave it empty) or PostgreSQL (postgresql://user:password@host/database)"
        )
    # Errors of SQL reach logs and pages: with their parameters they would show customers' records.
    engine = create_engine(url, pool_pre_ping=url.startswith("postgresql"), hide_parameters=True)
    if engine.dialect.name == "sqlite":
        _close_to_others(engine.url.database or "")
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _close_to_others(name: str) -> None:
    """SQLite gives its companions the mode of the file; those that are there keep theirs."""
    if name in ("", ":memory:") or not Path(name).parent.is_dir():
        return
    for file in (Path(name), *(there for end in ("-wal", "-shm") if (there := Path(name + end)).exists())):
        private_file(file)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # WAL lets readers go on while the projector writes; NORMAL may lose the last transaction in a power cut, rows and
    # position alike, and the log has them.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")
