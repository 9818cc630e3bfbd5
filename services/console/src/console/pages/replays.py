"""The forms of replays: a dry run is asked for, becomes a replay, one is paused."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError
from shared.errors import SyncError

from console.api import replays
from console.api.errors import ApiError, BadRequest
from console.api.replays import ReplayBody
from console.api.state import StateDep
from console.api.stoppable import Change
from console.api.times import parsed
from console.pages.views import back_to, form_of, refused

router = APIRouter(include_in_schema=False)


@router.post("/replays")
async def ask(request: Request, state: StateDep) -> Response:
    """See what a replay would do. It is done from there."""
    form = await form_of(request)
    try:
        await replays.request_replay(state, _body(form))
    except (ApiError, SyncError) as error:
        return refused(state, error)
    return back_to("replays", {}, "replayed")


@router.post("/replays/{replay_id}/run")
async def run(state: StateDep, replay_id: str) -> Response:
    """Do what a dry run showed."""
    try:
        await replays.run_again(state, replay_id)
    except (ApiError, SyncError) as error:
        return refused(state, error)
    return back_to("replays", {}, "replayed")


@router.post("/replays/{replay_id}/{change}")
async def change(state: StateDep, replay_id: str, change: Change) -> Response:
    """The other buttons of a replay."""
    try:
        await replays.change_replay(state, replay_id, change)
    except (ApiError, SyncError) as error:
        return refused(state, error)
    return back_to("replays", {}, "changed")


def _body(form: dict[str, str]) -> ReplayBody:
    """Raises BadRequest."""
    given = {"noun": form.get("noun", ""), "from": _time(form, "from"), "until": _time(form, "until"), "dry_run": True}
    try:
        return ReplayBody.model_validate(given | {"entities": form.get("entities", "").replace(",", " ").split()})
    except ValidationError as error:
        fault = error.errors()[0]
        where = " ".join(str(part) for part in fault["loc"])
        raise BadRequest(f"{where}: {fault['msg']}", "go back and correct it") from error


def _time(form: dict[str, str], name: str) -> datetime | None:
    """As the browser writes it. Raises BadRequest."""
    text = form.get(name, "").strip()
    try:
        return parsed(text) if text else None
    except ValueError as error:
        raise BadRequest(f"{name}: {error}", "correct it, or leave it empty") from error
