"""What a flow link missed while it was off is looked at again: an event of each such entity is sent once more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter
from shared.connections import FlowLink
from shared.domains import BUILT_IN, noun_of, trigger_alias
from shared.events import envelope as envelopes
from shared.flows.recheck import is_replayable, replayed
from shared.flows.runs import Run
from sqlmodel import Session

from console.api import models
from console.api.errors import ErrorBody, NotNow, Unknown
from console.api.state import State, StateDep
from console.projection import missed, queries

PAGE = 500
"""Entities of one request: whoever asks goes on from the last one."""

router = APIRouter(
    prefix="/api", responses={404: {"model": ErrorBody}, 409: {"model": ErrorBody}, 503: {"model": ErrorBody}}
)


@router.post("/flow-links/{link_id}/catch-up", status_code=202, tags=["flows"], summary="Look at what was missed")
async def catch_up(state: StateDep, link_id: str, body: models.CatchUpRequest | None = None) -> models.CaughtUp:
    """Each entity of which it missed an event while it was off is looked at as it is now, behind live events.

    A page of entities at a time: send `next` as `after` until it is null.
    """
    after = body.after if body else ""

    def read() -> tuple[FlowLink | None, list[Run]]:
        with Session(state.database.engine) as session:
            return queries.flow_link(session, link_id), missed.page(session, link_id, PAGE, after)

    link, found = await asyncio.to_thread(read)
    if link is None:
        raise Unknown(f"there is no flow link {link_id}", "see `tandem flow-links list` for those that there are")
    if not link.enabled:
        raise NotNow(
            f"flow link {link_id} is off", f"switch it on first: `tandem flow-links enable {link_id}`", code="link_off"
        )
    sent = [run for run in found if is_replayable(run.event_type)]
    alias = trigger_alias(BUILT_IN[link.flow])
    await asyncio.gather(*(_send_again(state, link.connections[alias], run) for run in sent))
    return models.CaughtUp(sent=len(sent), next=found[-1].aggregate if len(found) == PAGE else None)


async def _send_again(state: State, connection: str, run: Run) -> None:
    # The connection of now: the one that brought the event may have been removed.
    # For this flow link alone: the others did not miss it.
    event = replayed(
        run.aggregate,
        run.event_type,
        f"{run.id}-again",
        connection,
        datetime.now(UTC),
        run.id,
        flow_link=run.flow_link,
    )
    await state.writer.append(state.topics.replay(noun_of(run.event_type)), run.aggregate, envelopes.encode(event))
