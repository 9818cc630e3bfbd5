"""The pages. They show what the API answers, from the same functions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

import jinja2
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from shared.domains import BUILT_IN
from shared.errors import SyncError
from shared.polls import webhooks_come_in
from sqlmodel import Session

from console.api import changes, connected, shapes
from console.api import pending as api_pending
from console.api.errors import BadRequest, NotNow, Unknown, describe
from console.api.paging import decode_cursor, next_cursor
from console.api.state import State, StateDep
from console.api.status import counts_of, status_of
from console.pages import words
from console.projection import pending, queries
from console.projection.queries import Search

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
    "decided": "Your decision is in the log: the run that carries it out stands below.",
}

router = APIRouter(include_in_schema=False)


def _environment() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters |= {"tone": words.tone, "label": words.label, "app": words.app_name, "entity": words.entity}
    found.filters |= {"kind": words.entity_kind, "ticks": words.ticks, "value": words.value}
    found.globals |= {"between": words.between, "duration": words.duration, "passed": words.passed}
    return found


_templates = _environment()


def render(name: str, state: State, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, with what every page shows."""
    now = datetime.now(UTC)
    projection = state.projector.health()
    common = {"now": now, "ago": lambda text: words.ago(text, now), "sandboxed": state.settings.sandboxed}
    text = _templates.get_template(name).render(**common, projection=projection, **values)
    return HTMLResponse(text, status_code=status, headers=HEADERS)


def _flow_titles() -> dict[str, str]:
    return {flow.id: flow.title for flow in BUILT_IN.values()}


def _tables(state: State, search: Search, runs_after: str, mappings_after: str) -> dict[str, Any]:
    """Everything that the page lists, from one session."""
    now = datetime.now(UTC)
    with Session(state.database.engine) as session:
        runs, more_runs = queries.runs_page(session, replace(search, after=_cursor(runs_after)))
        pairs, more_pairs = queries.mappings_page(session, replace(search, after=_cursor(mappings_after)))
        conflicts, more_conflicts = pending.conflicts_page(session, search)
        differences = api_pending.differences(session, search)
        # Without a filter only what needs a person; with one, everything that belongs to the id.
        only_open = {} if search.id else {"state": "open"}
        letters, _ = queries.dead_letters_page(session, replace(search, equal=only_open))
        return {
            "runs": [shapes.run_detail(run) for run in runs],
            "mappings": [shapes.mapping_detail(pair, now) for pair in pairs],
            "letters": [shapes.dead_letter_detail(letter) for letter in letters],
            "conflicts": api_pending.conflict_items(session, conflicts),
            "more_conflicts": more_conflicts is not None,
            "differences": differences.items,
            "behind": differences.behind,
            "more_differences": differences.next_cursor is not None,
            "more_runs": next_cursor(more_runs),
            "more_mappings": next_cursor(more_pairs),
            "counts": counts_of(session),
            "connections": connected.connection_items(session, webhooks=webhooks_come_in(state.settings)),
        }


def _cursor(text: str) -> tuple[str, str] | None:
    return decode_cursor(text) if text else None


@router.get("/")
async def front(
    state: StateDep,
    id: Annotated[str, Query(max_length=queries.LONGEST_SEARCH)] = "",
    runs_after: str = "",
    mappings_after: str = "",
    done: str = "",
) -> HTMLResponse:
    """Dead letters, conflicts, differences, mappings and runs, narrowed to one id if it is given."""
    search = Search(id=id.strip(), limit=PAGE)
    tables = await asyncio.to_thread(_tables, state, search, runs_after, mappings_after)
    notice = NOTICES.get(done, "")
    older = bool(runs_after or mappings_after)
    return render(
        "front.html", state, id=search.id, notice=notice, older=older, flows=_flow_titles(), query=urlencode, **tables
    )


@router.get("/status")
async def status(state: StateDep) -> HTMLResponse:
    """Parts, lag, connections and flow links."""

    def links() -> list[Any]:
        with Session(state.database.engine) as session:
            return connected.flow_link_items(session)

    return render(
        "status.html",
        state,
        whole=await status_of(state),
        links=await asyncio.to_thread(links),
        flows=_flow_titles(),
    )


@router.get("/docs")
async def docs(request: Request, state: StateDep) -> HTMLResponse:
    """The API in one page, from its OpenAPI document: no script of somebody else's in a page that holds bills."""
    return render("docs.html", state, api=request.app.openapi())


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """Style, script and icon: our own and nobody else's."""
    if name not in ASSETS:
        return Response(status_code=404)
    return FileResponse(HERE / "static" / name, media_type=ASSETS[name], headers={"Cache-Control": "no-cache"})


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a plain form."""
    return {name: values[0] for name, values in parse_qs((await request.body()).decode(errors="replace")).items()}


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
        code, _, message, what_to_do = describe(error)
        return render("problem.html", state, code, message=message, what_to_do=what_to_do)
    back = {"id": form["id"]} if form.get("id") else {}
    done = "retried" if what == "retry" else "discarded"
    return RedirectResponse(f"/?{urlencode(back | {'done': done})}", status_code=303)
