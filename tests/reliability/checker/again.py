"""A second pass finds nothing to do, and tables folded again are the same: what is done after everything is quiet."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.reliability.checker.broken import Broken
from tests.reliability.checker.log import Event

Json = dict[str, Any]
Rows = dict[str, list[tuple[Any, ...]]]


def once_more(events: list[Event]) -> list[Event]:
    """The last event of each kind of each entity that somebody works on, marked as a replay."""
    last: dict[tuple[str, str], Event] = {}
    for event in (event for event in events if event.noun):
        last[event.key, event.value["type"]] = event
    return [
        replace(event, raw=json.dumps(json.loads(event.raw) | {"origin": "replay"}).encode()) for event in last.values()
    ]


def second_pass(calls: list[Json], keys: tuple[str, str]) -> Iterator[Broken]:
    """The calls since everything was quiet, while every event was handled once more: none of Tandem's may write."""
    for call in calls:
        if call["caller"] in keys and call["method"] != "GET":
            yield Broken(
                "second pass", call["path"], f"{call['method']} {call['operation']} though nothing had changed"
            )


def rows(database: Path) -> Rows:
    """Every row of every table, in order."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        names = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")]
        found = {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}
    connection.close()
    return found


def refolded(before: Rows, after: Rows) -> Iterator[Broken]:
    """Tables that were folded from the log a second time have the same rows."""
    for table in sorted(before.keys() | after.keys()):
        old, new = set(before.get(table, [])), set(after.get(table, []))
        gone, come = old - new, new - old
        if gone or come:
            example = repr(next(iter(gone or come)))[:300]
            yield Broken("sql", table, f"{len(gone)} rows are not there again, {len(come)} are new: {example}")
