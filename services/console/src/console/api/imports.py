"""Bulk imports: asked for here, run by ingress."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from shared.connections import FlowLink
from shared.domains import BUILT_IN, import_kinds, trigger_alias
from shared.domains.model import ImportKind
from shared.events.envelope import timestamp
from shared.flows import imports
from shared.flows.imports import ImportRequest, Wanted
from shared.model import Model
from sqlmodel import Session

from console.api.changes import seen
from console.api.errors import BadRequest, ErrorBody, NotNow, Unknown
from console.api.links_of_flow import enabled_link
from console.api.state import State, StateDep
from console.projection import imports as imported
from console.projection.imports import Imported

router = APIRouter(
    prefix="/api", responses={404: {"model": ErrorBody}, 409: {"model": ErrorBody}, 503: {"model": ErrorBody}}
)

MOST_IDS = 1000
"""Ids of one request."""


class ImportPayload(Model):
    """What is to be imported; nothing named: all of it."""

    model_config = ConfigDict(extra="forbid")

    created_from: datetime | None = Field(None, description="only what was made from this time on")
    created_until: datetime | None = Field(None, description="only what was made before this time")
    ids: list[Annotated[str, Field(min_length=1, max_length=255)]] = Field(
        [], max_length=MOST_IDS, description="only these", examples=[["cus_QMylrPLZfCwDH8"]]
    )


class ImportBody(Model):
    """An import that is to run."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(examples=["customers"])
    payload: ImportPayload = ImportPayload()
    flow_link: str = Field("", max_length=300, description="the one that handles it; needed only if several could")


class ImportItem(Model):
    """One import, how far it is, and what came of it."""

    id: str = Field(examples=["imp_4c6e0b1f2a3d"])
    kind: str = Field(examples=["customers"])
    flow_link: str = Field(examples=["link_stripe-customer-to-togai-customer"])
    state: Literal["requested", "running", "paused", "cancelled", "failed", "working", "done"] = Field(
        description="`running`: it lists; `working`: all is listed and not all is handled"
    )
    listed: int = Field(description="entities read from the vendor")
    written: int = Field(description="events that are in the log")
    linked: int = Field(description="entities that are linked by it")
    already: int = Field(description="entities that were linked before")
    waiting: int = Field(description="entities that wait for a change at Stripe or Togai")
    conflicts: int = Field(description="entities that wait for a decision")
    left_out: int = Field(description="entities that need nothing, such as deleted ones; their runs say why")
    failed: int = Field(description="entities with a dead letter")
    requested_at: str
    ended_at: str = Field(description="when all was listed, or it was cancelled or failed; empty before")
    problem: str = Field(description="what holds it up, or why it failed")


class ImportList(Model):
    """Imports, newest first."""

    items: list[ImportItem]


def item(found: Imported) -> ImportItem:
    """As it is shown."""
    request, progress, outcome = found.request, found.progress, found.outcome
    return ImportItem(
        id=request.id,
        kind=request.kind,
        flow_link=request.flow_link,
        state=_state(found),
        listed=progress.listed if progress else 0,
        written=progress.written if progress else 0,
        linked=outcome.linked,
        already=outcome.already,
        waiting=outcome.waiting,
        conflicts=outcome.conflicts,
        left_out=outcome.left_out,
        failed=outcome.failed,
        requested_at=request.requested_at,
        ended_at=progress.ended_at if progress else "",
        problem=progress.problem if progress else "",
    )


def _state(found: Imported) -> Any:
    progress, outcome = found.progress, found.outcome
    if progress is None:
        return {"run": "requested", "pause": "paused", "cancel": "cancelled"}[found.request.wanted]
    if progress.state == "running":
        return "running"
    if progress.state == "listed":
        return "done" if outcome.known >= progress.written and not outcome.going_on else "working"
    return progress.state


@router.post("/imports", status_code=202, tags=["imports"], summary="Import everything of a kind")
async def request_import(state: StateDep, body: ImportBody) -> ImportItem:
    """Each entity that the vendor holds is handled as if its event had just come, behind live events. Nothing is made
    twice: what is linked stays as it is.
    """
    kind = import_kinds().get(body.kind)
    if kind is None:
        raise BadRequest(f"nothing is called {body.kind}", f"there is: {', '.join(import_kinds())}")
    payload = body.payload
    if not kind.timed and (payload.created_from or payload.created_until):
        raise BadRequest(f"nobody tells when {kind.name} were made", "leave the times out, or name ids")
    link = await asyncio.to_thread(_link_for, state, kind, body.flow_link)
    at = time.time()
    until = int(payload.created_until.timestamp()) if payload.created_until else int(at) + 1
    request = ImportRequest(
        id=f"imp_{uuid.uuid4().hex[:12]}",
        kind=kind.name,
        flow_link=link.id,
        connection=link.connections[trigger_alias(BUILT_IN[kind.flow])],
        requested_at=_now(),
        created_from=int(payload.created_from.timestamp()) if payload.created_from else 0,
        created_until=min(until, int(at) + 1),
        ids=list(dict.fromkeys(payload.ids)),
    )
    await _keep(state, request)
    return item(Imported(request, None))


def _link_for(state: State, kind: ImportKind, named: str) -> FlowLink:
    with Session(state.database.engine) as session:
        return enabled_link(session, kind.flow, named)


@router.get("/imports", tags=["imports"], summary="List imports")
async def list_imports(state: StateDep, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> ImportList:
    """Newest first, with what came of each."""

    def read() -> list[Imported]:
        with Session(state.database.engine) as session:
            return imported.page(session, limit)

    return ImportList(items=[item(found) for found in await asyncio.to_thread(read)])


@router.get("/imports/{import_id}", tags=["imports"], summary="One import")
async def show_import(state: StateDep, import_id: str) -> ImportItem:
    """How far it is, and what came of it."""
    return item(await _found(state, import_id))


@router.post("/imports/{import_id}/{change}", tags=["imports"], summary="Pause, resume or cancel an import")
async def change_import(state: StateDep, import_id: str, change: Literal["pause", "resume", "cancel"]) -> ImportItem:
    """It stops after the page in hand. What is in the log already is handled all the same."""
    found = await _found(state, import_id)
    if found.progress and found.progress.ended:
        raise NotNow(
            f"import {import_id} has ended: it is {found.progress.state}",
            f"see `tandem imports show {import_id}`",
            code="ended",
        )
    wanted: dict[str, Wanted] = {"pause": "pause", "resume": "run", "cancel": "cancel"}
    request = msgspec.structs.replace(found.request, wanted=wanted[change], changed_at=_now())
    await _keep(state, request)
    return item(await _found(state, import_id))


async def _found(state: State, import_id: str) -> Imported:
    def read() -> Imported | None:
        with Session(state.database.engine) as session:
            return imported.find(session, import_id)

    found = await asyncio.to_thread(read)
    if found is None:
        raise Unknown(f"there is no import {import_id}", "see `tandem imports list` for those that there are")
    return found


async def _keep(state: State, request: ImportRequest) -> None:
    await seen(state, await state.writer.append(state.topics.imports, request.key, imports.encode(request)))


def _now() -> str:
    return timestamp(datetime.now(UTC))
