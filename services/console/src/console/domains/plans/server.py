"""What price plans add to the console's server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlmodel import Session

from console.domain import Server, StatusList
from console.domains.plans import addresses, api, ends, not_attached, offer_page, sign_in
from console.domains.plans.tables import RUNS
from console.domains.plans.words import tone_of
from console.pages.lists import ListPage
from console.projection.queries import Search

HERE = Path(__file__).parent


def _read(session: Session, search: Search) -> tuple[dict[str, Any], str | None]:
    """Both sides of each; with an id, the prices, offers and associations of what it leads to."""
    found = api.items(session, search)
    shown = [api.plan_detail(session, item.ref) for item in found.items] if search.id else []
    return {"plans": found.items, "details": shown, "tone_of": tone_of}, found.next_cursor


SERVER = Server(
    routers=(api.router, addresses.router, ends.api, ends.form, sign_in.router, offer_page.OFFER.router()),
    pages={"plans": ListPage("Plans", "plans.html", "plans", _read, with_state=True)},
    run_tables=(RUNS,),
    status=(
        StatusList(
            "not_attached", "offers that were paid, whose plan the account does not have yet", not_attached.sentences
        ),
    ),
    templates=HERE / "templates",
    public=HERE / "public",
)
