"""The made-up domain's own part of the console: which entries were noted, in a table, the API, a page and a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from console.api.state import SessionDep
from console.cli import client
from console.cli.terminal import say
from console.domain import ConsoleDomain, RunTable, Server, StatusList
from console.pages.lists import ListPage
from console.projection import entity_runs
from console.projection.queries import Search
from console.projection.tables import EntityRun
from fastapi import APIRouter
from shared.domains.progress import Progress
from sqlmodel import Index, Session

router = APIRouter(prefix="/api")
app = typer.Typer(help="Entries that were noted.", no_args_is_help=True)


class EntryRunRow(EntityRun, table=True):
    """A run about an entry; `state` is empty until it has noted it."""

    __tablename__ = "entry_runs"
    __table_args__ = (Index("entry_runs_by_entry", "ref", "at", "owner"),)


def _row(progress: Progress) -> dict[str, Any] | None:
    entry = progress.of_kind("ledger", "entry")
    noted = "noted" if "ledger.entry.note" in progress.done else ""
    return {"ref": entry, "state": noted, "at": progress.at} if entry else None


def _read(session: Session, search: Search) -> tuple[dict[str, Any], str | None]:
    found, _ = entity_runs.page(session, EntryRunRow, search, with_state=True)
    return {"noted": found}, None


def _complaints(session: Session) -> list[str]:
    return [] if list_noted(session) else ["no entry was noted: make one in the ledger"]


@router.get("/noted")
def list_noted(session: SessionDep) -> list[str]:
    """The entries, the last noted first."""
    return entity_runs.page(session, EntryRunRow, Search(), with_state=True)[0]


@app.command("list")
def list_() -> None:
    """List them."""
    say("\n".join(client.call("GET", "/api/noted").json()))


@app.command("count")
def count() -> None:
    """Count them."""
    say(str(len(client.call("GET", "/api/noted").json())))


SERVER = Server(
    routers=(router,),
    pages={"noted": ListPage("Noted", "noted.html", "noted", _read)},
    run_tables=(RunTable(EntryRunRow, _row),),
    status=(StatusList("not_noted", "that there is none", _complaints),),
    templates=Path(__file__).parent / "templates",
)
PART = ConsoleDomain("noted", server=lambda: SERVER, command=lambda: app)
