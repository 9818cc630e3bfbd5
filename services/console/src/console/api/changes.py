"""The few things that the console writes to the log: retry, discard, and a flow link on, off or removed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Literal

import msgspec
from fastapi import APIRouter
from shared.connections import FlowLink
from shared.domains import BUILT_IN
from shared.errors import NotReady
from shared.events.envelope import timestamp
from shared.flows import runs
from shared.flows.links import gone_connections, is_new, removal, removed, twin_of
from shared.flows.runs import DeadLetter, Parked, Run
from shared.kafka.log import Place
from shared.runtime.records import PARKED_HEADER
from sqlmodel import Session

from console.api import connected, models, shapes
from console.api.errors import BadRequest, ErrorBody, NotNow, Unknown
from console.api.links_of_flow import named_link
from console.api.state import State, StateDep
from console.projection import queries
from shared import connections

router = APIRouter(
    prefix="/api", responses={404: {"model": ErrorBody}, 409: {"model": ErrorBody}, 503: {"model": ErrorBody}}
)


def _now() -> str:
    return timestamp(datetime.now(UTC))


async def seen(state: State, place: Place) -> None:
    """Wait until a record is in the tables, so that whoever looks next sees it. Durable it is already: slow tables are
    no error.
    """
    with suppress(NotReady):
        await state.projector.wait_for(place)


@contextmanager
def _one_at_a_time(state: State, letter_id: str) -> Iterator[None]:
    if letter_id in state.busy:
        raise NotNow(f"dead letter {letter_id} is being worked on right now", "look at it again in a few seconds")
    state.busy.add(letter_id)
    try:
        yield
    finally:
        state.busy.discard(letter_id)


def _open_letter(state: State, letter_id: str) -> tuple[DeadLetter, Run | None]:
    """The letter and the present state of its run. Raises Unknown, and NotNow if it is not open."""
    with Session(state.database.engine) as session:
        letter = queries.dead_letter(session, letter_id)
        run = queries.run(session, letter.run.id) if letter and letter.run else None
    if letter is None:
        raise Unknown(f"there is no dead letter {letter_id}", "find it with `tandem dead-letters list --id` and any id")
    if letter.state != "open":
        raise NotNow(
            f"dead letter {letter_id} is {letter.state} since {letter.changed_at or 'some time'}",
            "only an open one can be retried or discarded; if its run fails again it is open again, see `tandem runs "
            f"list --id {letter.run.id if letter.run else letter.event or letter.id}`",
        )
    return letter, run


async def _mark(state: State, letter: DeadLetter, as_: Literal["retried", "discarded"], reason: str) -> DeadLetter:
    marked = msgspec.structs.replace(letter, state=as_, changed_at=_now(), changed_reason=reason)
    await seen(state, await state.writer.append(state.topics.dead_letters, marked.id, runs.encode(marked)))
    return marked


def _anew(run: Run) -> Parked:
    """The run with its failures forgotten: else one that was given up would be given up again at its first failure."""
    return Parked(run=msgspec.structs.replace(run, parked=0), due=0)


async def retry_letter(state: State, letter_id: str) -> DeadLetter:
    """Put the event on the replay topic of its noun, and only then mark the letter.

    In this order nothing is lost if we die in between: the letter stays open, and a second retry is the same run.
    Raises Unknown, NotNow, Unavailable.
    """
    with _one_at_a_time(state, letter_id):
        letter, _ = await asyncio.to_thread(_open_letter, state, letter_id)
        headers = [(PARKED_HEADER, runs.encode(_anew(letter.run)))] if letter.run else []
        key = letter.aggregate or letter.event or letter.id
        await state.writer.append(state.topics.replay(letter.noun), key, letter.value, headers=headers)
        return await _mark(state, letter, "retried", "retried from the console")


async def discard_letter(state: State, letter_id: str, reason: str) -> DeadLetter:
    """Give up for good: the run ends as `discarded`, then the letter. Raises Unknown, NotNow, Unavailable."""
    with _one_at_a_time(state, letter_id):
        letter, present = await asyncio.to_thread(_open_letter, state, letter_id)
        run = present or letter.run
        # A later event may have closed the run since: its better end stays.
        if run and not (run.ended and run.state != "dead"):
            now = _now()
            ended = msgspec.structs.replace(run, state="discarded", reason=reason, updated_at=now, ended_at=now)
            await seen(state, await state.writer.append(state.topics.runs, run.id, runs.encode(ended)))
        return await _mark(state, letter, "discarded", reason)


async def switch_flow_link(state: State, link_id: str, *, enabled: bool) -> FlowLink:
    """Enable or disable: a new one that is disabled is new no more. Raises Unknown, NotNow, Unavailable."""
    link = await _flow_link(state, link_id)
    if link.enabled is enabled and not is_new(link):
        return link
    if enabled:
        await asyncio.to_thread(_check_may_be_on, state, link)
    return await _keep_link(state, msgspec.structs.replace(link, enabled=enabled, changed_at=_now()))


def _check_may_be_on(state: State, link: FlowLink) -> None:
    """Raises NotNow where its events could only fail, or would run twice."""
    with Session(state.database.engine) as session:
        known = {connection.id: connection for connection in queries.all_connections(session)}
        on = [other for other in queries.flow_links(session) if other.enabled]
    if gone := removal(gone_connections(link, known)):
        raise NotNow(gone, f"then `tandem flow-links enable {link.id}`", code="connection_removed")
    if twin := twin_of(link, on, known):
        raise NotNow(
            f"flow link {twin.id} runs {link.flow} between the same accounts already: every event would run twice",
            f"switch that one off or remove it first: `tandem flow-links disable {twin.id}`",
            code="twin",
        )


async def set_options(state: State, link_id: str, options: dict[str, str]) -> FlowLink:
    """Choose what a flow link does. Raises BadRequest, Unknown, Unavailable."""
    link = await _flow_link(state, link_id)
    flow = BUILT_IN.get(link.flow)
    if flow is None:
        raise BadRequest(f"flow {link.flow} has no options", "only built-in flows have some")
    if fault := flow.fault_of(options):
        raise BadRequest(fault, f"`tandem flow-links list` shows what {link_id} has chosen")
    return await _keep_link(state, msgspec.structs.replace(link, options=link.options | options))


async def confirm_overwrites(state: State, link_id: str) -> FlowLink:
    """Let first contacts replace values of many pairs, for a day. Raises Unknown, Unavailable."""
    link = await _flow_link(state, link_id)
    return await _keep_link(state, msgspec.structs.replace(link, overwrites_confirmed_at=time.time()))


async def remove_flow_link(state: State, link_id: str) -> FlowLink:
    """Remove it for good: no start makes it again. Returns it as it was. Raises Unknown, Unavailable."""
    link = await _flow_link(state, link_id)
    await _keep_link(state, removed(link, _now()))
    return msgspec.structs.replace(link, enabled=False)


async def _keep_link(state: State, link: FlowLink) -> FlowLink:
    await seen(state, await state.writer.append(state.topics.flow_links, link.id, connections.encode(link)))
    return link


async def _flow_link(state: State, link_id: str) -> FlowLink:
    def read() -> FlowLink:
        with Session(state.database.engine) as session:
            return named_link(session, link_id)

    return await asyncio.to_thread(read)


@router.post("/dead-letters/{letter_id}/retry", tags=["dead letters"], summary="Try a dead letter again")
async def retry(state: StateDep, letter_id: str) -> models.DeadLetterDetail:
    """Sends the event again; its run resumes at the step that failed. Mend the cause first."""
    return shapes.dead_letter_detail(await retry_letter(state, letter_id))


@router.post("/dead-letters/{letter_id}/discard", tags=["dead letters"], summary="Give a dead letter up for good")
async def discard(state: StateDep, letter_id: str, body: models.Discard) -> models.DeadLetterDetail:
    """It is kept, with the reason, and not tried again."""
    return shapes.dead_letter_detail(await discard_letter(state, letter_id, body.reason))


@router.post("/flow-links/{link_id}/enable", tags=["flows"], summary="Switch a flow link on")
async def enable(state: StateDep, link_id: str) -> models.FlowLinkItem:
    """From now on its events start runs, and what waited for it goes on."""
    return await _shown(state, await switch_flow_link(state, link_id, enabled=True))


@router.post("/flow-links/{link_id}/disable", tags=["flows"], summary="Switch a flow link off")
async def disable(state: StateDep, link_id: str) -> models.FlowLinkItem:
    """It writes nothing from now on. Its runs wait, and its events are recorded as missed."""
    return await _shown(state, await switch_flow_link(state, link_id, enabled=False))


@router.post("/flow-links/{link_id}/options", tags=["flows"], summary="Choose what a flow link does")
async def choose(state: StateDep, link_id: str, body: models.FlowLinkOptions) -> models.FlowLinkItem:
    """It holds for what begins from now on; what is made already stays as it is."""
    return await _shown(state, await set_options(state, link_id, body.options))


@router.post("/flow-links/{link_id}/remove", tags=["flows"], summary="Remove a flow link")
async def remove(state: StateDep, link_id: str) -> models.FlowLinkItem:
    """It is gone from every list, and no start or update makes it again; `tandem flow-links add` does."""
    return await _shown(state, await remove_flow_link(state, link_id))


@router.post("/flow-links/{link_id}/confirm", tags=["flows"], summary="Let first contacts overwrite many pairs")
async def confirm(state: StateDep, link_id: str) -> models.FlowLinkItem:
    """For a day. Runs that wait for this confirmation go on."""
    return await _shown(state, await confirm_overwrites(state, link_id))


async def _shown(state: State, link: FlowLink) -> models.FlowLinkItem:
    def read() -> list[models.FlowLinkItem]:
        with Session(state.database.engine) as session:
            return connected.flow_link_items(session)

    found = {item.id: item for item in await asyncio.to_thread(read)}
    # The tables may be a moment behind, or know a removed one no more: what was decided is what is shown.
    decided = {"enabled": link.enabled, "changed_at": link.changed_at, "connections": link.connections}
    decided["options"] = connected.chosen_of(link)
    present = found.get(link.id) or models.FlowLinkItem(
        id=link.id, flow=link.flow, **decided, new=False, missed=0, waiting=0, off=""
    )
    return present.model_copy(update=decided | ({"off": ""} if link.enabled else {}))
