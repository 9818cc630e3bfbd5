"""What a flow link missed while it was off is looked at again: an event of each such entity is sent once more, or
each event where it tells more than that."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec
from fastapi import APIRouter
from shared.connections import FlowLink
from shared.domains import BUILT_IN, noun_of, trigger_alias
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope
from shared.flows.recheck import is_replayable, replayed
from shared.flows.runs import Run
from shared.kafka.log import Place
from shared.settings import Settings
from sqlmodel import Session

from console.api import models
from console.api.errors import ErrorBody, NotNow
from console.api.links_of_flow import named_link
from console.api.log_reader import values_at
from console.api.state import State, StateDep
from console.projection import missed

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

    def read() -> tuple[FlowLink, list[Run]]:
        with Session(state.database.engine) as session:
            link = named_link(session, link_id)
            return link, missed.page(session, link.id, PAGE, after)

    link, found = await asyncio.to_thread(read)
    if not link.enabled:
        raise NotNow(
            f"flow link {link_id} is off", f"switch it on first: `tandem flow-links enable {link_id}`", code="link_off"
        )
    connection, kept = link.connections[trigger_alias(BUILT_IN[link.flow])], await _kept(state.settings, found)
    again = [(run, _again(run, connection, kept.get(run.id))) for run in found]
    await asyncio.gather(*(_send(state, event) for _, event in again if event))
    sent, gone = ({run.aggregate for run, event in again if bool(event) is is_kept} for is_kept in (True, False))
    following = found[-1].aggregate if len(sent | gone) == PAGE else None
    return models.CaughtUp(sent=len(sent), gone=len(gone), next=following)


async def _kept(settings: Settings, found: list[Run]) -> dict[str, bytes]:
    """By run, the events that say more than which entity has news: they are sent again as they came."""
    places = {run.id: Place.parse(run.place) for run in found if run.place and not is_replayable(run.event_type)}
    values = await values_at(settings, set(places.values()))
    return {run: values[place] for run, place in places.items() if place in values}


def _again(run: Run, connection: str, kept: bytes | None) -> Envelope | None:
    """The event once more, by the connection of now: the one that brought it may have been removed. None for one that
    is not in the log any more. It is for this flow link alone: the others did not miss it.
    """
    event_id = f"{run.id}-again"
    if is_replayable(run.event_type):
        now = datetime.now(UTC)
        return replayed(run.aggregate, run.event_type, event_id, connection, now, run.id, flow_link=run.flow_link)
    event = envelopes.decode(kept) if kept else None
    if event is None or event.id != run.event:
        return None
    return msgspec.structs.replace(
        event, id=event_id, connection=connection, origin="replay", cause=run.id, flowlink=run.flow_link
    )


async def _send(state: State, event: Envelope) -> None:
    await state.writer.append(state.topics.replay(noun_of(event.type)), event.aggregate, envelopes.encode(event))
