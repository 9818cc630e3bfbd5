"""Replays: asked for here, run by ingress."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from shared.connections import FlowLink
from shared.domains import BUILT_IN, noun_of, nouns
from shared.events.envelope import timestamp
from shared.flows import replays
from shared.flows.replays import ReplayRequest, types_for
from shared.model import Model
from sqlmodel import Session

from console.api.changes import seen
from console.api.errors import BadRequest, ErrorBody, NotNow, Unknown
from console.api.quota import quota_use
from console.api.replayed import CallsNeeded, ReplayItem, ReplayList, calls_of, connections_of, item
from console.api.state import State, StateDep
from console.api.stoppable import Change, changed
from console.api.times import When
from console.projection import queries
from console.projection import replays as replayed
from console.projection.replays import Replayed

router = APIRouter(
    prefix="/api", responses={404: {"model": ErrorBody}, 409: {"model": ErrorBody}, 503: {"model": ErrorBody}}
)

MOST = 1000
"""Entities of one request."""


class ReplayBody(Model):
    """Which events are to be sent once more. Name a noun, or one flow link."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    noun: str = Field("", description="its events, for each of its flow links that is on", examples=["customer"])
    flow_link: str = Field("", max_length=300, description="the events that start it, for it alone")
    since: When | None = Field(None, alias="from", description="when Tandem got them; else as far back as kept")
    until: When | None = Field(None, description="before this time; else until now")
    types: list[str] = Field([], max_length=100, examples=[["stripe.customer.updated"]])
    entities: list[Annotated[str, Field(min_length=1, max_length=300)]] = Field(
        [], max_length=MOST, description="ids of the vendor", examples=[["cus_QMylrPLZfCwDH8"]]
    )
    dry_run: bool = Field(False, description="say what would be done, and write nothing")


@router.post("/replays", status_code=202, tags=["replays"], summary="Send events of the log once more")
async def request_replay(state: StateDep, body: ReplayBody) -> ReplayItem:
    """Each is handled as if it came again, behind live events, and acts on what both sides are today: what is in sync
    costs reads. What waits or failed has ways of its own: retry a dead letter, catch up a flow link that was off.
    """
    now = datetime.now(UTC)
    links = await asyncio.to_thread(_links, state, body)
    since, until = _window(body, now, state.settings.events_retention_days)
    request = ReplayRequest(
        id=_new_id(),
        noun=noun_of(BUILT_IN[links[0].flow].trigger) or "",
        flow_links=[link.id for link in links],
        requested_at=timestamp(now),
        since=int(since.timestamp() * 1000),
        until=int(until.timestamp() * 1000),
        types=_types(body.types, links),
        entities=list(dict.fromkeys(body.entities)),
        dry_run=body.dry_run,
    )
    await _keep(state, request)
    return item(Replayed(request, None))


async def run_again(state: State, replay_id: str) -> ReplayItem:
    """What a dry run looked at, to be done now, by the flow links that are on. Raises Unknown, NotNow."""
    found = (await _found(state, replay_id)).request
    if not found.dry_run:
        what = f"see `tandem replays show {replay_id}`; to send them once more: `tandem replay`"
        raise NotNow(f"replay {replay_id} is no dry run: it was carried out when it was asked for", what)

    def on() -> list[str]:
        with Session(state.database.engine) as session:
            return [link.id for link in queries.flow_links(session) if link.enabled and link.id in found.flow_links]

    links, now = await asyncio.to_thread(on), timestamp(datetime.now(UTC))
    if not links:
        what = "switch one on: `tandem flow-links list`"
        raise NotNow(f"no flow link of replay {replay_id} is on", what, code="no_link")
    request = msgspec.structs.replace(
        found, id=_new_id(), flow_links=links, dry_run=False, requested_at=now, wanted="run", changed_at=""
    )
    await _keep(state, request)
    return item(Replayed(request, None))


def _new_id() -> str:
    return f"rpl_{uuid.uuid4().hex[:12]}"


def _links(state: State, body: ReplayBody) -> list[FlowLink]:
    """The flow links that get the events. Raises BadRequest, Unknown, NotNow."""
    if bool(body.noun) == bool(body.flow_link):
        raise BadRequest(
            "name a noun, or one flow link", f"nouns are {', '.join(nouns())}; see `tandem flow-links list`"
        )
    with Session(state.database.engine) as session:
        found = [link for link in queries.flow_links(session) if types_for(link)]
    if body.flow_link:
        return [_one_link(found, body)]
    if body.noun not in nouns():
        raise BadRequest(f"nothing is called {body.noun}", f"there is: {', '.join(nouns())}")
    mine = [link for link in found if noun_of(BUILT_IN[link.flow].trigger) == body.noun]
    able = [link for link in mine if link.enabled] or (mine if body.dry_run else [])
    if not able:
        raise NotNow(f"no flow link of {body.noun}s is on", "switch one on: `tandem flow-links list`", code="no_link")
    return able


def _one_link(found: list[FlowLink], body: ReplayBody) -> FlowLink:
    link = next((link for link in found if link.id == body.flow_link), None)
    if link is None:
        raise Unknown(
            f"there is no flow link {body.flow_link} that events of a vendor start",
            f"there is: {', '.join(sorted(link.id for link in found)) or 'none'}",
        )
    if not link.enabled and not body.dry_run:
        what = f"switch it on first: `tandem flow-links enable {link.id}`"
        raise NotNow(f"flow link {link.id} is off", what, code="link_off")
    return link


def _types(named: list[str], links: list[FlowLink]) -> list[str]:
    known = sorted({name for link in links for name in types_for(link)})
    if wrong := [name for name in named if name not in known]:
        raise BadRequest(f"{', '.join(wrong)} starts none of these flow links", f"there is: {', '.join(known)}")
    return list(dict.fromkeys(named))


def _window(body: ReplayBody, now: datetime, days: int) -> tuple[datetime, datetime]:
    """Raises BadRequest for a time that the log does not reach back to, and for an empty one."""
    kept = now - timedelta(days=days)
    since, until = body.since or kept, min(body.until or now, now)
    if since < kept:
        possible = kept.isoformat(timespec="seconds").replace("+00:00", "Z")
        raise BadRequest(
            f"the log keeps events for {days} days: a replay is possible from {possible} on",
            "begin there, or import what is at the vendor (`tandem import`)",
        )
    if since >= until:
        raise BadRequest("no time lies between `from` and `until`", "name an earlier `from`, or a later `until`")
    return since, until


@router.get("/replays", tags=["replays"], summary="List replays")
async def list_replays(state: StateDep, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> ReplayList:
    """Newest first, with what came of each."""

    def read() -> list[Replayed]:
        with Session(state.database.engine) as session:
            return replayed.page(session, limit)

    return ReplayList(items=[item(found) for found in await asyncio.to_thread(read)])


@router.get("/replays/{replay_id}", tags=["replays"], summary="One replay")
async def show_replay(state: StateDep, replay_id: str) -> ReplayItem:
    """How far it is, and what came of it; of a dry run also the calls that a replay would make."""
    found = await _found(state, replay_id)
    return item(found, await _calls(state, found) if found.request.dry_run else None)


async def _calls(state: State, found: Replayed) -> list[CallsNeeded]:
    def links() -> list[FlowLink]:
        with Session(state.database.engine) as session:
            return queries.flow_links(session)

    used = await quota_use(state, connections_of(found.request, await asyncio.to_thread(links)))

    def counted() -> list[CallsNeeded]:
        with Session(state.database.engine) as session:
            return calls_of(session, found, {use.app_account: use.rate for use in used})

    return await asyncio.to_thread(counted)


@router.post("/replays/{replay_id}/run", status_code=202, tags=["replays"], summary="Do what a dry run showed")
async def run_replay(state: StateDep, replay_id: str) -> ReplayItem:
    """By the flow links that are on."""
    return await run_again(state, replay_id)


@router.post("/replays/{replay_id}/{change}", tags=["replays"], summary="Pause, resume or cancel a replay")
async def change_replay(state: StateDep, replay_id: str, change: Change) -> ReplayItem:
    """It stops after the page in hand, and nothing more of what it sent is begun: while it is paused that waits, and
    ends as skipped once it is cancelled. What was changed stays changed.
    """
    found = await _found(state, replay_id)
    shown, links = item(found), found.request.flow_links
    waiting = shown.waiting + shown.conflicts
    await _keep(state, changed("replay", found.request, shown.state, change, waiting=waiting, flow_links=links))
    return item(await _found(state, replay_id))


async def _found(state: State, replay_id: str) -> Replayed:
    def read() -> Replayed | None:
        with Session(state.database.engine) as session:
            return replayed.find(session, replay_id)

    found = await asyncio.to_thread(read)
    if found is None:
        raise Unknown(f"there is no replay {replay_id}", "see `tandem replays list` for those that there are")
    return found


async def _keep(state: State, request: ReplayRequest) -> None:
    await seen(state, await state.writer.append(state.topics.replays, request.key, replays.encode(request)))
