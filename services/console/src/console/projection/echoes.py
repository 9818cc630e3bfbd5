"""Echoes: runs that had nothing to do because their event was Tandem's own write. Each belongs to the run that wrote.

That of a creation says so itself. A run that compared both sides and ended `in_sync` cannot know: it is taken for an
echo of the last run before that wrote to the entity, for as long as its write can come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from shared.events.envelope import timestamp
from shared.flows import runs
from shared.flows.runs import Run
from sqlmodel import Session, col, select

from console.projection.queries import run as run_of
from console.projection.rows import name_of
from console.projection.tables import NameRow, RunRow

ECHO_WINDOW = timedelta(minutes=15)
"""After so long a write has come back: by webhook at once, by the slowest poller at its next poll."""


def causes(session: Session, found: Iterable[Run]) -> dict[str, str]:
    """The run that caused each of these that is an echo, by the echo's id."""
    caused = {run.id: run.echo_of or _cause(session, run) for run in found}
    return {echo: cause for echo, cause in caused.items() if cause}


def fold(session: Session, page: list[Run]) -> tuple[list[Run], dict[str, list[Run]]]:
    """A page of runs without its echoes, and the echoes of each run that is left or that they belong to."""
    caused = causes(session, page)
    echoes: dict[str, list[Run]] = {}
    for run in page:
        if run.id in caused:
            echoes.setdefault(caused[run.id], []).append(run)
    shown = [run for run in page if run.id not in caused]
    there = {run.id for run in shown}
    # What an older page holds comes along: an echo is shown under its run, or nowhere.
    older = [found for cause in echoes if cause not in there and (found := run_of(session, cause))]
    return [*shown, *sorted(older, key=lambda run: (run.started_at, run.id), reverse=True)], echoes


def _cause(session: Session, run: Run) -> str:
    """Id of the last run that wrote to the entity before; empty if there is none, or if this one is not `in_sync`."""
    if run.state != "in_sync":
        return ""
    name = name_of(run.aggregate)
    since = timestamp(datetime.fromisoformat(run.started_at) - ECHO_WINDOW)
    query = (
        select(RunRow)
        .join(NameRow, col(NameRow.owner) == col(RunRow.id))
        .where(col(NameRow.name) == name.name, col(NameRow.scope) == name.scope, col(RunRow.state) == "succeeded")
        .where(col(RunRow.at) >= since, col(RunRow.at) <= run.started_at, col(RunRow.id) != run.id)
        .order_by(col(RunRow.at).desc(), col(RunRow.id).desc())
        .limit(1)
    )
    row = session.exec(query).first()
    return row.id if row and run.aggregate in runs.decode_run(row.record).refs else ""
