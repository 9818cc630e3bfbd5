"""Everything the sandbox remembers, in one SQLite file.

One connection on the event loop's thread: a transaction never awaits, so two requests cannot interleave inside one.
WAL with synchronous=NORMAL: a commit survives kill -9 of the process (the pages are with the kernel); only a power cut
can take back the last commits, which no test asks of a sandbox. FULL would cost an fsync for each create.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
  created INTEGER NOT NULL, changed INTEGER NOT NULL, lookup TEXT, deleted INTEGER NOT NULL DEFAULT 0,
  body TEXT NOT NULL, UNIQUE (scope, kind, id));
DROP INDEX IF EXISTS documents_newest;
CREATE INDEX IF NOT EXISTS documents_listed ON documents (scope, kind, seq, created, deleted);
CREATE INDEX IF NOT EXISTS documents_changed ON documents (scope, kind, changed);
CREATE INDEX IF NOT EXISTS documents_lookup ON documents (scope, kind, lookup, seq);
CREATE TABLE IF NOT EXISTS tenants (scope TEXT PRIMARY KEY, app TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, scope TEXT NOT NULL, rights TEXT);
CREATE TABLE IF NOT EXISTS idempotency (
  scope TEXT NOT NULL, key TEXT NOT NULL, path TEXT NOT NULL, params TEXT NOT NULL, request TEXT NOT NULL,
  status INTEGER NOT NULL, body TEXT NOT NULL, created INTEGER NOT NULL, PRIMARY KEY (scope, key));
CREATE TABLE IF NOT EXISTS deliveries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, app TEXT NOT NULL, scope TEXT NOT NULL,
  endpoint TEXT NOT NULL, url TEXT NOT NULL, event TEXT NOT NULL, type TEXT NOT NULL, object TEXT NOT NULL,
  body TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL,
  created INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, endpoint, due);
CREATE INDEX IF NOT EXISTS deliveries_event ON deliveries (event);
CREATE TABLE IF NOT EXISTS attempts (
  delivery TEXT NOT NULL, at REAL NOT NULL, status INTEGER, error TEXT, seconds REAL NOT NULL);
CREATE INDEX IF NOT EXISTS attempts_delivery ON attempts (delivery);
CREATE TABLE IF NOT EXISTS calls (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, app TEXT NOT NULL, scope TEXT, method TEXT NOT NULL,
  path TEXT NOT NULL, operation TEXT NOT NULL, status INTEGER, idempotency_key TEXT, request TEXT, fault TEXT,
  began REAL, caller TEXT, retry_after REAL);
CREATE TABLE IF NOT EXISTS versions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, scope TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
  caller TEXT NOT NULL, deleted INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS versions_scope ON versions (scope, seq);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, body TEXT NOT NULL);
"""
ADDED = {"calls": {"began": "REAL", "caller": "TEXT", "retry_after": "REAL"}}
"""Columns that files of earlier versions lack."""
TABLES = ("documents", "tenants", "keys", "idempotency", "deliveries", "attempts", "calls", "versions", "facts")
WITH_HISTORY = ("customer", "account", "setting", "price_plan", "pricing_schedule", "invoice", "payment")
"""Kinds of which every version is kept: who set what, and when, is what a test of order asks."""

caller: ContextVar[str] = ContextVar("caller", default="control")
"""The key of the request that is being served; what no request does is done by the control API."""


_EXACT = re.compile(r'"\\u0000([0-9.-]+)\\u0000"')


def dump(value: object) -> str:
    """Compact JSON, the form in which bodies are stored and sent; a Decimal becomes the very number that it is."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_marked)
    return _EXACT.sub(r"\1", text) if "\\u0000" in text else text


def _marked(value: object) -> str:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is no JSON")
    return f"\0{value:f}\0"


def load(text: str) -> Any:
    """JSON as `dump` wrote it: numbers with a fraction are Decimals, for a float would change them."""
    return json.loads(text, parse_float=Decimal)


@dataclass(frozen=True)
class Document:
    """One stored object with the columns by which it is found."""

    seq: int
    id: str
    created: int
    changed: int
    lookup: str | None
    deleted: bool
    body: Json


def _document(row: Sequence[Any]) -> Document:
    return Document(row[0], row[1], row[2], row[3], row[4], bool(row[5]), load(row[6]))


def _close_to_others(file: Path) -> None:
    """SQLite gives its companions the mode of the file; those that are there keep theirs."""
    os.close(os.open(file, os.O_CREAT | os.O_RDONLY, 0o600))
    for there in file.parent.glob(f"{file.name}*"):
        there.chmod(0o600)


class Store:
    """SQLite with transactions and the few queries that both APIs share."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "sandbox.sqlite3"
        _close_to_others(file)
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA cache_size=-65536")
        self._db.executescript(SCHEMA)
        self._add_columns()
        self._open = False

    def _add_columns(self) -> None:
        for table, columns in ADDED.items():
            present = {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
            for name, type in columns.items():
                if name not in present:
                    self._db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {type}")

    def close(self) -> None:
        """Closes the file; what was committed stays."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are committed together, or none of them when the block raises. Nested blocks join."""
        if self._open:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._open = True
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        else:
            self._db.execute("COMMIT")
        finally:
            self._open = False

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Takes back what the block wrote when it raises, while the transaction around it goes on."""
        self._db.execute("SAVEPOINT step")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO step")
            raise
        finally:
            self._db.execute("RELEASE step")

    def run(self, sql: str, *values: object) -> int:
        """Executes one statement and tells how many rows it touched."""
        return self._db.execute(sql, values).rowcount

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        found: tuple[Any, ...] | None = self._db.execute(sql, values).fetchone()
        return found

    def number(self, sql: str, *values: object) -> int:
        """The single number that a query counts."""
        found = self.row(sql, *values)
        return int(found[0]) if found else 0

    def insert(
        self, scope: str, kind: str, body: Json, *, id: str, created: int, changed: int, lookup: str | None = None
    ) -> None:
        """Stores a new object; raises sqlite3.IntegrityError when the id is taken in this scope and kind."""
        sql = "INSERT INTO documents (scope, kind, id, created, changed, lookup, body) VALUES (?,?,?,?,?,?,?)"
        self.run(sql, scope, kind, id, created, changed, lookup, dump(body))
        self._keep_version(scope, kind, id, body, deleted=False)

    def replace(
        self,
        scope: str,
        kind: str,
        id: str,
        body: Json,
        changed: int,
        *,
        lookup: str | None = None,
        deleted: bool = False,
    ) -> None:
        """Writes the new state of an object that is there already."""
        sql = "UPDATE documents SET body=?, changed=?, lookup=?, deleted=? WHERE scope=? AND kind=? AND id=?"
        self.run(sql, dump(body), changed, lookup, int(deleted), scope, kind, id)
        self._keep_version(scope, kind, id, body, deleted=deleted)

    def _keep_version(self, scope: str, kind: str, id: str, body: Json, *, deleted: bool) -> None:
        if kind in WITH_HISTORY:
            sql = "INSERT INTO versions (at, scope, kind, id, caller, deleted, body) VALUES (?,?,?,?,?,?,?)"
            self.run(sql, time.time(), scope, kind, id, caller.get(), int(deleted), dump(body))

    def remove(self, scope: str, kind: str, id: str) -> None:
        """Forgets an object altogether."""
        self.run("DELETE FROM documents WHERE scope=? AND kind=? AND id=?", scope, kind, id)

    def get(self, scope: str, kind: str, id: str) -> Document | None:
        """The object with this id, deleted ones included, or None."""
        found = self.select(scope, kind, "id=?", [id], "seq", 1)
        return found[0] if found else None

    def select(
        self,
        scope: str,
        kind: str,
        where: str = "1",
        values: Sequence[object] = (),
        order: str = "seq DESC",
        limit: int = -1,
    ) -> list[Document]:
        """Objects of one scope and kind by a condition; `where` and `order` come from code, never from a request."""
        sql = (
            "SELECT seq, id, created, changed, lookup, deleted, body FROM documents "
            f"WHERE scope=? AND kind=? AND {where} ORDER BY {order} LIMIT ?"
        )
        return [_document(row) for row in self.rows(sql, scope, kind, *values, limit)]

    def count(self, scope: str, kind: str, where: str = "1", *values: object) -> int:
        """How many objects of one kind a scope has."""
        sql = f"SELECT count(*) FROM documents WHERE scope=? AND kind=? AND {where}"
        return self.number(sql, scope, kind, *values)

    def fact(self, name: str) -> Json | None:
        """A named record of the sandbox itself, such as its settings."""
        found = self.row("SELECT body FROM facts WHERE name=?", name)
        return json.loads(found[0]) if found else None

    def set_fact(self, name: str, body: Json) -> None:
        """Writes a named record of the sandbox itself."""
        self.run("INSERT OR REPLACE INTO facts VALUES (?,?)", name, dump(body))

    def wipe(self) -> None:
        """Empties every table."""
        with self.transaction():
            for table in TABLES:
                self.run(f"DELETE FROM {table}")
