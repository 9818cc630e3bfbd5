"""What each list's page shows: its title, its template, and how it is read. The page of everything about one id shows
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from shared.domains import import_kinds, nouns, views
from shared.domains.model import NextStep, View
from sqlmodel import Session

from console.api import connected, shapes
from console.api import imported as api_imported
from console.api import pending as api_pending
from console.api import replayed as api_replayed
from console.api.paging import next_cursor
from console.domains import servers
from console.pages import words
from console.projection import echoes, pending, queries
from console.projection import imports as imported
from console.projection import replays as replayed
from console.projection.queries import Search

Read = Callable[[Session, Search], tuple[dict[str, Any], str | None]]
"""The values of a template, and the cursor of the next page."""


@dataclass(frozen=True)
class ListPage:
    """One list. `key` names it among the links to older ones; `with_state`: it can be narrowed to a state."""

    title: str
    part: str
    key: str
    read: Read
    with_state: bool = False


def runs(session: Session, search: Search) -> tuple[dict[str, Any], str | None]:
    """Each with its steps. Echoes stand under the run that caused them, unless a state is asked for."""
    found, after = queries.runs_page(session, search)
    shown, folded = (found, {}) if search.equal else echoes.fold(session, found)
    under = {cause: [shapes.run_item(run) for run in those] for cause, those in folded.items()}
    return {"runs": [shapes.run_detail(run) for run in shown], "echoes": under}, next_cursor(after)


def letters(session: Session, search: Search) -> tuple[dict[str, Any], str | None]:
    """Without a filter only what needs a person; with one, everything that belongs to it."""
    narrowed = search if search.id or search.equal else replace(search, equal={"state": "open"})
    found, after = queries.dead_letters_page(session, narrowed)
    return {"letters": [shapes.dead_letter_detail(letter) for letter in found]}, next_cursor(after)


def conflicts(session: Session, search: Search) -> tuple[dict[str, Any], str | None]:
    """With what there is to choose from."""
    found, after = pending.conflicts_page(session, search)
    return {"conflicts": api_pending.conflict_items(session, found)}, next_cursor(after)


def differences(session: Session, search: Search) -> tuple[dict[str, Any], str | None]:
    """And which flow links have not compared everything yet."""
    found = api_pending.differences(session, search)
    return {"differences": found.items, "behind": found.behind}, found.next_cursor


def mappings(session: Session, search: Search, view: View | None = None) -> tuple[dict[str, Any], str | None]:
    """Of every relation, or of a view's."""
    now = datetime.now(UTC)
    narrowed = replace(search, equal=search.equal | {"relation": view.relation}) if view else search
    found, after = queries.mappings_page(session, narrowed)
    return {"mappings": [shapes.mapping_detail(pair, now) for pair in found], "view": view}, next_cursor(after)


def flow_links(session: Session, _search: Search) -> tuple[dict[str, Any], str | None]:
    """Every one."""
    return {"links": connected.flow_link_items(session)}, None


def imports(session: Session, search: Search) -> tuple[dict[str, Any], str | None]:
    """With what a person can do about each."""
    one = imported.find(session, search.id) if search.id else None
    found = ([one] if one else []) if search.id else imported.page(session, search.limit)
    shown = [api_imported.item(each) for each in found]
    more = {"counts": words.IMPORT_COUNTS, "changes": words.CHANGES, "next_of": _next_of}
    return {"imports": shown} | more, None


def _next_of(found: api_imported.ImportItem) -> NextStep | None:
    return import_kinds()[found.kind].next_of(found.options)


def replays(session: Session, search: Search) -> tuple[dict[str, Any], str | None]:
    """With what a person can do about each, and the form of a new one."""
    one = replayed.find(session, search.id) if search.id else None
    found = ([one] if one else []) if search.id else replayed.page(session, search.limit)
    shown = [api_replayed.item(each, _calls(session, each)) for each in found]
    return {"replays": shown, "counts": words.REPLAY_COUNTS, "changes": words.CHANGES, "nouns": nouns()}, None


def _calls(session: Session, found: replayed.Replayed) -> list[api_replayed.CallsNeeded]:
    # How long they take is known to ingress, which a page does not wait for.
    return api_replayed.calls_of(session, found, {}) if found.request.dry_run else []


def _of_view(view: View) -> ListPage:
    def read(session: Session, search: Search) -> tuple[dict[str, Any], str | None]:
        return mappings(session, search, view)

    return ListPage(view.title, "mappings.html", "mappings", read, with_state=True)


OF_ONE_ID = {
    "dead-letters": ListPage("Dead letters", "letters.html", "letters", letters, with_state=True),
    "conflicts": ListPage("Conflicts", "conflicts.html", "conflicts", conflicts),
    "differences": ListPage("Differences", "differences.html", "differences", differences),
    "mappings": ListPage("Mappings", "mappings.html", "mappings", mappings, with_state=True),
    "runs": ListPage("Runs", "runs.html", "runs", runs, with_state=True),
}
"""The lists that an id narrows, in the order in which they stand below each other."""


OF_REQUESTS = {
    "imports": ListPage("Imports", "imports.html", "imports", imports),
    "replays": ListPage("Replays", "replays.html", "replays", replays),
}
NO_LISTS = {"connections": "Connections", "flow-links": "Flow links", "status": "Status", "docs": "API"}
"""The titles of the pages that hold no list, by address."""


def _by_part() -> list[Mapping[str, ListPage]]:
    of_views = {name: _of_view(view) for name, view in views().items()}
    return [of_views, *(server.pages for server in servers()), OF_REQUESTS, OF_ONE_ID]


def pages() -> dict[str, ListPage]:
    """Every list with a page, by its address: those of views and domains first."""
    return {name: page for part in _by_part() for name, page in part.items()}


def addresses() -> list[str]:
    """Of every page, as each part gives it."""
    return [*(name for part in _by_part() for name in part), *NO_LISTS]


def titles() -> dict[str, str]:
    """Every page that the head of each names, by its address."""
    return {"": "State"} | {name: page.title for name, page in pages().items()} | NO_LISTS
