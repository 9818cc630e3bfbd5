"""The pages. They show what the API answers, from the same functions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

import jinja2
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from shared.domains import BUILT_IN, import_kinds, views
from shared.errors import SyncError
from shared.polls import webhooks_come_in
from sqlmodel import Session

from console.api import changes, connected, retry_many
from console.api.errors import BadRequest, NotNow, Unknown, describe
from console.api.paging import decode_cursor
from console.api.shapes import side
from console.api.state import State, StateDep
from console.api.status import status_of
from console.connection_options import limits_shown
from console.domains import servers
from console.pages import lists, words
from console.pages.lists import ListPage
from console.projection import queries
from console.projection.queries import Search
from console.templating import environment

HERE = Path(__file__).parent
ASSETS = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
PAGE = 50
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

NOTICES = {
    "retried": "Sent again: its run goes on below.",
    "discarded": "Discarded for good.",
    "imported": "It is asked for: what comes of it stands first below.",
    "replayed": "It is asked for: what comes of it stands first below.",
    "changed": "It is so from the page in hand on.",
    "decided": "Your decision is in the log: the run that carries it out stands below.",
}

router = APIRouter(include_in_schema=False)


def _dashboard(ref: str) -> str:
    """Where a person sees an entity at its vendor; empty where that is not known."""
    shown = side(ref)
    return shown.url if shown else ""


@cache
def _environment(folders: tuple[Path, ...]) -> jinja2.Environment:
    found = environment(folders)
    found.filters |= {"tone": words.tone, "label": words.label, "app": words.app_name, "entity": words.entity}
    found.filters |= {
        "kind": words.entity_kind,
        "dashboard": _dashboard,
        "limits": limits_shown,
        "ticks": words.ticks,
        "value": words.value,
    }
    found.globals |= {
        "kind_name": words.kind_name,
        "between": words.between,
        "duration": words.duration,
        "passed": words.passed,
        "quota_of": words.quota_of,
        "lowered": words.lowered,
    }
    return found


def folders() -> tuple[Path, ...]:
    """Where the pages' templates are: the common ones, and each domain's."""
    return (HERE / "templates", *(server.templates for server in servers() if server.templates))


def render(name: str, state: State, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, with what every page shows."""
    common = _common(state, datetime.now(UTC))
    text = _environment(folders()).get_template(name).render(common | values)
    return HTMLResponse(text, status_code=status, headers=HEADERS)


def _common(state: State, now: datetime) -> dict[str, Any]:
    """What every page, and every part of one, can show."""
    first = next(iter(views().values()), None)
    return {
        "now": now,
        "ago": lambda text: words.ago(text, now),
        "sandboxed": state.settings.sandboxed,
        "projection": state.projector.health(),
        "pages": lists.titles(),
        "flows": {flow.id: flow.title for flow in BUILT_IN.values()},
        "first": first.empty if first else "",
    } | {"here": "", "id": "", "only": "", "notice": "", "more": {}, "view": None}


def _read(state: State, wanted: dict[str, ListPage], search: Search) -> dict[str, Any]:
    """The values of these lists, from one session, with the addresses of what is older."""
    values: dict[str, Any] = {"more": {page.key: "" for page in wanted.values()}}
    with Session(state.database.engine) as session:
        for name, page in wanted.items():
            found, cursor = page.read(session, search)
            values |= found
            if cursor:
                asked = {"id": search.id, "state": search.equal.get("state", ""), "after": cursor}
                query = urlencode({key: value for key, value in asked.items() if value})
                values["more"][page.key] = f"/{name}?{query}"
        connections = connected.connection_items(session, webhooks=webhooks_come_in(state.settings))
    kinds = {kind.flow: kind for kind in import_kinds().values()}
    return values | {"connections": connections, "import_kinds": kinds}


@router.get("/")
async def home(
    state: StateDep, id: Annotated[str, Query(max_length=queries.LONGEST_SEARCH)] = "", done: str = ""
) -> HTMLResponse:
    """How all of it stands; or everything about one id."""
    search = Search(id=id.strip(), limit=PAGE)
    if search.id:
        found = await asyncio.to_thread(_read, state, lists.OF_ONE_ID, search)
        return render("find.html", state, **found, id=search.id, notice=NOTICES.get(done, ""), all_states=True)
    whole = await status_of(state)
    return render("home.html", state, whole=whole, numbers=words.numbers(whole.counts.model_dump()))


@router.get("/status")
async def status(state: StateDep) -> HTMLResponse:
    """Parts, lag, lists that are read, refused events."""
    return render("status.html", state, whole=await status_of(state), here="status")


@router.get("/connections")
async def connections(state: StateDep) -> HTMLResponse:
    """Every connection, removed ones too."""
    found = await asyncio.to_thread(_read, state, {}, Search())
    return render("plain.html", state, **found, here="connections", title="Connections", part="connections.html")


@router.get("/flow-links")
async def flow_links(state: StateDep) -> HTMLResponse:
    """Which flows are on, and what they missed."""
    page = ListPage("Flow links", "flow_links.html", "links", lists.flow_links)
    found = await asyncio.to_thread(_read, state, {"flow-links": page}, Search())
    return render("plain.html", state, **found, here="flow-links", title=page.title, part=page.part)


@router.get("/docs")
async def docs(request: Request, state: StateDep) -> HTMLResponse:
    """The API in one page, from its OpenAPI document: no script of somebody else's in a page that holds bills."""
    return render("docs.html", state, api=request.app.openapi(), here="docs")


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """Style, script and icon: our own and nobody else's."""
    if name not in ASSETS:
        return Response(status_code=404)
    return FileResponse(HERE / "static" / name, media_type=ASSETS[name], headers={"Cache-Control": "no-cache"})


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a plain form."""
    return {name: values[0] for name, values in parse_qs((await request.body()).decode(errors="replace")).items()}


@router.post("/dead-letters/retry")
async def retry_letters(request: Request, state: StateDep) -> Response:
    """The button over all open ones."""
    form = await form_of(request)
    try:
        await retry_many.retry_all(state, retry_many.RetryMany(id=form.get("id", "")[: queries.LONGEST_SEARCH]))
    except SyncError as error:
        return refused(state, error)
    return back_to("dead-letters", form, "retried")


@router.post("/dead-letters/{letter_id}/{what}")
async def change(request: Request, state: StateDep, letter_id: str, what: str) -> Response:
    """The buttons of a dead letter: do it, then show the page again."""
    form = await form_of(request)
    try:
        if what == "retry":
            await changes.retry_letter(state, letter_id)
        elif what == "discard":
            reason = form.get("reason", "").strip()
            if not reason:
                raise BadRequest("a discarded dead letter needs a reason", "go back and say why it is not needed")
            await changes.discard_letter(state, letter_id, reason[:500])
        else:
            raise BadRequest(f"a dead letter cannot be {what}ed", "go back and retry or discard it")
    except (BadRequest, NotNow, Unknown, SyncError) as error:
        return refused(state, error)
    return back_to("dead-letters", form, "retried" if what == "retry" else "discarded")


def refused(state: State, error: Exception) -> HTMLResponse:
    """The page that says why a form was refused, and what to do."""
    code, _, message, what_to_do = describe(error)
    return render("problem.html", state, code, message=message, what_to_do=what_to_do)


def back_to(page: str, form: dict[str, str], done: str) -> RedirectResponse:
    """The page that the form stood on: that of everything about an id, or the list."""
    where = f"/?{urlencode({'id': form['id']})}&" if form.get("id") else f"/{page}?"
    return RedirectResponse(f"{where}{urlencode({'done': done})}", status_code=303)


@router.get("/{name}")
async def list_page(
    state: StateDep,
    name: str,
    id: Annotated[str, Query(max_length=queries.LONGEST_SEARCH)] = "",
    only: Annotated[str, Query(alias="state", max_length=40)] = "",
    after: str = "",
    done: str = "",
) -> HTMLResponse:
    """A list, newest first, narrowed to an id or a state."""
    page = lists.pages().get(name)
    if page is None:
        what = "see the pages named above"
        return render("problem.html", state, 404, message=f"there is no page /{name}", what_to_do=what)
    equal = {"state": only} if only and page.with_state else {}
    cursor = decode_cursor(after) if after else None
    search = Search(id=id.strip(), limit=PAGE, after=cursor, equal=equal)
    values = await asyncio.to_thread(_read, state, {name: page}, search)
    shown: dict[str, Any] = {
        "here": name,
        "title": page.title,
        "part": page.part,
        "with_state": page.with_state,
        "after": after,
    }
    shown |= {"after": after, "id": search.id, "only": only, "notice": NOTICES.get(done, ""), "all_states": bool(equal)}
    return render("list.html", state, **values, **shown)
