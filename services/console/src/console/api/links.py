"""Links changed by hand: a person's decision becomes an event, which the flow for it carries out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from fastapi import APIRouter
from shared.domains import BUILT_IN, TRIGGERS
from shared.domains.model import LinkRequest
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope
from shared.flows.recheck import recheck_requested
from shared.flows.runs import Run
from shared.identity import Ref
from sqlmodel import Session

from console.api import asked, decisions, relations, reverting
from console.api.decisions import Decision
from console.api.errors import ErrorBody, NotNow
from console.api.requests import append, event_about, new_id
from console.api.state import SessionDep, State, StateDep
from console.projection import pending

router = APIRouter(
    prefix="/api",
    tags=["mappings"],
    responses={code: {"model": ErrorBody} for code in (400, 404, 409, 503)},
)
Wanted = TypeVar("Wanted")


def event_of(decision: Decision, event_id: str, now: datetime) -> Envelope:
    """The decision as an event at the app of its flow's trigger, about the side there if it names one: pure."""
    trigger = TRIGGERS[BUILT_IN[decision.context.by.flow].trigger]
    ids = {app: Ref.parse(ref).id for app, ref in decision.sides.items()}
    request = LinkRequest(decision.change, ids, decision.reason, decision.context.link, decision.writes)
    about = decision.sides.get(trigger.app) or next(iter(decision.sides.values()))
    context = decision.context
    return event_about(
        about,
        trigger.name,
        context.by.body(request),
        context.connection,
        app_account=context.accounts[trigger.app],
        event_id=event_id,
        now=now,
    )


async def ask(state: State, decide: Callable[[Session, Wanted], Decision], wanted: Wanted) -> asked.LinkAsked:
    """Check the request against the tables and append it. Raises BadRequest, NotNow, Unknown, Unavailable."""

    def read() -> Decision:
        with Session(state.database.engine) as session:
            return decide(session, wanted)

    decision = await asyncio.to_thread(read)
    return await append(state, event_of(decision, new_id(), datetime.now(UTC)), decision.context.link)


@router.post(
    "/conflicts/{run_id}/retry", status_code=202, tags=["conflicts"], summary="Have a conflict looked at again"
)
async def retry(state: StateDep, run_id: str) -> asked.RecheckRequest:
    """After you mended its cause where nobody tells of it, as in an account's Settings. The run then goes on by itself.

    Without that it looks again when there is news of its entity, at the latest at its `next_attempt_at`.
    """

    def read() -> Run:
        with Session(state.database.engine) as session:
            found = pending.conflict(session, run_id)
        if found is None:
            raise NotNow(f"run {run_id} is in no conflict", f"it may have gone on: `tandem runs show {run_id}`")
        return found

    run = await asyncio.to_thread(read)
    event = recheck_requested(run.aggregate, new_id(), run.connection, datetime.now(UTC))
    await state.writer.append(state.topics.events(relations.noun_of_run(run)), event.aggregate, envelopes.encode(event))
    return asked.RecheckRequest(run=run.id, event=event.id)


@router.post("/mappings/link", status_code=202, summary="Link two by hand")
async def link(state: StateDep, body: asked.LinkRequest) -> asked.LinkAsked:
    """One entity at each app, linked to nobody. Watch the run that does it: `GET /api/runs/{run}`."""
    return await ask(state, decisions.link, body)


@router.post("/mappings/unlink", status_code=202, summary="Take a link back by hand")
async def unlink(state: StateDep, body: asked.UnlinkRequest) -> asked.LinkAsked:
    """The ids at both vendors go with it; nothing is deleted. Watch the run that does it: `GET /api/runs/{run}`."""
    return await ask(state, decisions.unlink, body)


@router.post("/mappings/relink", status_code=202, summary="Give one side of a pair another partner by hand")
async def relink(state: StateDep, body: asked.RelinkRequest) -> asked.LinkAsked:
    """Mends a wrong or dead link. Name the new one by its app; the other side of the pair stays."""
    return await ask(state, decisions.relink, body)


@router.post("/mappings/separate", status_code=202, summary="Decide that an entity in conflict matches none")
async def separate(state: StateDep, body: asked.SeparateRequest) -> asked.LinkAsked:
    """Its other side is then made, whoever else has its address."""
    return await ask(state, decisions.separate, body)


@router.get("/runs/{run_id}/revert", tags=["runs"], summary="What a revert of a run would write back")
def revertible(session: SessionDep, run_id: str, flow_link: str = "") -> asked.RevertPreview:
    """Each write of the run to a pair, with what stood there before. A value that was changed since stays: what Tandem
    knows of that is in `stays`, and the run that writes back asks the vendors.
    """
    return reverting.preview(session, run_id, flow_link)


@router.post("/runs/{run_id}/revert", status_code=202, tags=["runs"], summary="Write back what a run replaced")
async def revert(state: StateDep, run_id: asked.AnyId, body: asked.RevertReason) -> asked.LinkAsked:
    """Where its value still stands. Both sides then differ on purpose, and are shown as differences."""
    wanted = asked.RevertRequest(id=run_id, reason=body.reason, flow_link=body.flow_link)
    return await ask(state, reverting.revert, wanted)
