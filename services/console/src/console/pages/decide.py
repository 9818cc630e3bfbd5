"""The form of a conflict: a person's choice becomes a request for a link."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError
from shared.errors import SyncError
from shared.flows.runs import Run
from sqlmodel import Session

from console.api import asked, decisions, links, models, pending
from console.api.errors import ApiError, BadRequest, NotNow
from console.api.state import State, StateDep
from console.pages.views import back_to, form_of, refused
from console.projection import pending as tables

router = APIRouter(include_in_schema=False)
MAKE_ITS_OWN = "separate"


@router.post("/conflicts/{run_id}")
async def decide(request: Request, state: StateDep, run_id: str) -> Response:
    """Do what was chosen, then show the page again."""
    form = await form_of(request)
    try:
        await _decide(state, run_id, form.get("choice", ""), form.get("reason", ""))
    except (ApiError, SyncError) as error:
        return refused(state, error)
    return back_to("conflicts", form, "decided")


async def _decide(state: State, run_id: str, choice: str, reason: str) -> asked.LinkAsked:
    """Raises BadRequest, NotNow, Unknown, Unavailable."""
    conflict = await asyncio.to_thread(_conflict, state, run_id)
    entity, by = conflict.entity.ref, {"reason": reason, "flow_link": conflict.flow_link}
    try:
        if choice == MAKE_ITS_OWN:
            return await links.ask(state, decisions.separate, asked.SeparateRequest(id=entity, **by))
        chosen = next((c for c in conflict.candidates if c.ref == choice and c.app != conflict.entity.app), None)
        if chosen is None:
            raise BadRequest("nothing was chosen", "go back and choose one of the candidates, or its own")
        own = {conflict.entity.app: entity}
        if chosen.mapping and chosen.state in decisions.PAIRED:
            relink = asked.RelinkRequest(id=chosen.mapping, sides=own, **by)
            return await links.ask(state, decisions.relink, relink)
        sides = own | {chosen.app: chosen.ref}
        return await links.ask(state, decisions.link, asked.LinkRequest(relation=conflict.relation, sides=sides, **by))
    except ValidationError as error:
        raise BadRequest("a decision needs a reason of 1 to 500 characters", "go back and say why") from error


def _conflict(state: State, run_id: str) -> models.ConflictItem:
    with Session(state.database.engine) as session:
        found: Run | None = tables.conflict(session, run_id)
        if found is None:
            raise NotNow(f"run {run_id} waits for no decision any more", f"see what became of it: /?id={run_id}")
        return pending.conflict_items(session, [found])[0]
