"""The forms of imports: a flow link is triggered for all that is there, a preview becomes an import, one is paused."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError
from shared.domains import import_kinds
from shared.errors import SyncError
from sqlmodel import Session

from console.api import imports
from console.api.errors import ApiError, BadRequest, Unknown
from console.api.imports import ImportBody, ImportPayload
from console.api.state import State, StateDep
from console.api.stoppable import Change
from console.pages.views import back_to, form_of, refused
from console.projection import queries

router = APIRouter(include_in_schema=False)
CHOICE = "choice-"
"""How the fields of a preview's form begin that say what becomes of a kind of conflict."""


@router.post("/flow-links/{link_id}/import")
async def trigger(request: Request, state: StateDep, link_id: str) -> Response:
    """Import all that stands where the flow link's events come from, or preview it."""
    form = await form_of(request)
    try:
        await imports.request_import(state, await asyncio.to_thread(_body, state, link_id, form))
    except (ApiError, SyncError) as error:
        return refused(state, error)
    return back_to("imports", {}, "imported")


@router.post("/imports/{import_id}/run")
async def run(request: Request, state: StateDep, import_id: str) -> Response:
    """Do what a preview showed, with a choice for each kind of conflict."""
    form = await form_of(request)
    choices = {name.removeprefix(CHOICE): value for name, value in form.items() if name.startswith(CHOICE)}
    try:
        body = await imports.as_import(state, import_id, choices)
        body.payload.confirmed = form.get("confirmed") == "yes"
        await imports.request_import(state, body)
    except (ApiError, SyncError) as error:
        return refused(state, error)
    return back_to("imports", {}, "imported")


@router.post("/imports/{import_id}/{change}")
async def change(state: StateDep, import_id: str, change: Change) -> Response:
    """The other buttons of an import."""
    try:
        await imports.change_import(state, import_id, change)
    except (ApiError, SyncError) as error:
        return refused(state, error)
    return back_to("imports", {}, "changed")


def _body(state: State, link_id: str, form: dict[str, str]) -> ImportBody:
    """Raises Unknown, BadRequest."""
    with Session(state.database.engine) as session:
        link = queries.flow_link(session, link_id)
    kind = next((kind for kind in import_kinds().values() if link and kind.flow == link.flow), None)
    if link is None or kind is None:
        raise Unknown(f"nothing can be imported by {link_id}", "see the page Flow links for those that can")
    try:
        payload = ImportPayload.model_validate_json(form.get("payload", "").strip() or "{}")
    except ValidationError as error:
        fault = error.errors()[0]
        where = " ".join(str(part) for part in fault["loc"])
        what = 'write {} for all, or as {"created_from": "2026-11-01T00:00:00Z"}'
        raise BadRequest(f"the payload does not fit: {where} {fault['msg']}", what) from error
    if form.get("do") == "preview":
        payload = payload.model_copy(update={"dry_run": True})
    return ImportBody(kind=kind.name, payload=payload, flow_link=link.id)
