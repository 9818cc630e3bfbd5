"""What invoices add to the console's server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlmodel import Session

from console.domain import Server
from console.domains.invoices import api, forms, page
from console.domains.invoices.tables import RUNS
from console.domains.invoices.words import tone_of
from console.pages.lists import ListPage
from console.projection.queries import Search

HERE = Path(__file__).parent


def _read(session: Session, search: Search) -> tuple[dict[str, Any], str | None]:
    """Both sides of each, with what a person can decide."""
    found = api.items(session, search)
    return {"invoices": found.items, "tone_of": tone_of}, found.next_cursor


SERVER = Server(
    routers=(api.router, forms.router, page.INVOICE.router()),
    pages={"invoices": ListPage("Invoices", "invoices.html", "invoices", _read, with_state=True)},
    run_tables=(RUNS,),
    templates=HERE / "templates",
    public=HERE / "public",
)
