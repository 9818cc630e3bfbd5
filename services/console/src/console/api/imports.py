"""Bulk imports: asked for here, run by ingress."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, ConfigDict, Field, model_validator
from shared.connections import FlowLink
from shared.domains import import_kinds, import_options
from shared.domains.choices import BadChoice, check_choices
from shared.domains.model import ImportKind
from shared.flows import imports
from shared.flows.imports import ImportRequest, Selection, new_request
from shared.identity import LONGEST_ID, is_id
from shared.model import Model
from sqlmodel import Session

from console.api import import_report
from console.api.changes import seen
from console.api.errors import BadRequest, ErrorBody, NotNow, Unknown
from console.api.imported import ImportItem, ImportList, item
from console.api.links_of_flow import enabled_link
from console.api.quota import quota_use
from console.api.state import State, StateDep
from console.api.stoppable import Change, changed
from console.api.times import When
from console.projection import imports as imported
from console.projection.imports import Imported

router = APIRouter(
    prefix="/api", responses={404: {"model": ErrorBody}, 409: {"model": ErrorBody}, 503: {"model": ErrorBody}}
)

MOST_IDS = 1000
"""Ids of one request."""


def _name_options(schema: dict[str, Any]) -> None:
    schema["properties"] |= {
        name: {"type": "string", "enum": ["", *option.values], "default": "", "description": option.title}
        for name, option in import_options().items()
    }


def _an_id(text: str) -> str:
    """Raises ValueError."""
    if not is_id(text):
        raise ValueError(f"{text!r} is no id: copy it as the app shows it")
    return text


class ImportPayload(Model):
    """What is to be imported; nothing named: all of it. An option of the kind stands under its own name, too."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_name_options)

    created_from: When | None = Field(None, description="only what was made from this time on")
    created_until: When | None = Field(None, description="only what was made before this time")
    ids: list[Annotated[str, Field(min_length=1, max_length=LONGEST_ID), AfterValidator(_an_id)]] = Field(
        [], max_length=MOST_IDS, description="only these", examples=[["cus_QMylrPLZfCwDH8"]]
    )
    dry_run: bool = Field(False, description="say what would be done with each, and write nothing")
    choices: dict[str, str] = Field(
        {},
        max_length=50,
        description="what becomes of conflicts, by kind. Where nothing is named: what must change first waits, as a "
        "missing address or currency, or a value that is too long; a short name is padded; others are left out and "
        "reported. The answer lists the choices of each kind that was met",
        examples=[{"missing_email": "leave_out", "same_email": "decide"}],
    )
    confirmed: bool = Field(False, description="that a person knows what it does; needed where the kind says so")

    @model_validator(mode="before")
    @classmethod
    def _options(cls, given: Any) -> Any:
        """Choices by the option's name are choices like others."""
        if not isinstance(given, dict) or not isinstance(chosen := given.get("choices", {}), dict):
            return given
        own = {name: given[name] for name in import_options() if name in given}
        rest = {name: value for name, value in given.items() if name not in own}
        return rest | {"choices": chosen | {name: value for name, value in own.items() if value != ""}}


class ImportBody(Model):
    """An import that is to run."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(examples=["customers"])
    payload: ImportPayload = ImportPayload()
    flow_link: str = Field("", max_length=300, description="the one that handles it; needed only if several could")


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
    begin, end = seconds_of(payload.created_from), seconds_of(payload.created_until)
    if begin >= (end or int(time.time()) + 1):
        raise BadRequest("no time lies between `created_from` and `created_until`", "correct one of them")
    _check_choices(kind, payload)
    link = await asyncio.to_thread(_link_for, state, kind, body.flow_link, dry_run=payload.dry_run)
    selection = Selection(
        created_from=begin,
        created_until=end,
        ids=tuple(payload.ids),
        dry_run=payload.dry_run,
        choices=payload.choices,
    )
    request = new_request(kind, link, selection, time.time())
    await _keep(state, request)
    return item(Imported(request, None))


def _check_choices(kind: ImportKind, payload: ImportPayload) -> None:
    """Raises BadRequest."""
    try:
        check_choices(kind.all_conflicts, payload.choices, kind.options)
    except BadChoice as error:
        raise BadRequest(str(error), "correct it, or leave it out for the safe choice") from error
    if kind.confirm and not (payload.dry_run or payload.confirmed):
        raise BadRequest(f"{kind.confirm}: that has to be confirmed", "preview it first, then add `confirmed`: true")


def seconds_of(when: datetime | None) -> int:
    """Epoch seconds; a time that does not say is in UTC, as everywhere here, whatever this machine's own zone is."""
    if when is None:
        return 0
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def _link_for(state: State, kind: ImportKind, named: str, *, dry_run: bool) -> FlowLink:
    with Session(state.database.engine) as session:
        return enabled_link(session, kind.flow, named, also_off=dry_run)


async def as_import(state: State, import_id: str, choices: dict[str, str]) -> ImportBody:
    """What a preview looked at, to be done now. Raises Unknown, NotNow."""
    request = (await find(state, import_id)).request
    if not request.dry_run:
        what = f"see `tandem imports show {import_id}`; to import again: `tandem import {request.kind}`"
        raise NotNow(f"import {import_id} is no preview: it was carried out when it was asked for", what)
    found = await as_asked(state, import_id)
    found.payload.choices = request.choices | choices
    return found


async def as_asked(state: State, import_id: str) -> ImportBody:
    """The same selection, once more. Raises Unknown."""
    request = (await find(state, import_id)).request
    narrowed = request.created_until < int(datetime.fromisoformat(request.requested_at).timestamp())
    payload = ImportPayload(
        created_from=datetime.fromtimestamp(request.created_from, UTC) if request.created_from else None,
        created_until=datetime.fromtimestamp(request.created_until, UTC) if narrowed else None,
        ids=request.ids,
        choices=request.choices,
    )
    return ImportBody(kind=request.kind, payload=payload, flow_link=request.flow_link)


class PreviewChoices(Model):
    """What becomes of the conflicts that a preview found."""

    model_config = ConfigDict(extra="forbid")

    choices: dict[str, str] = Field({}, max_length=50, description="by kind; nothing named: as the preview was asked")
    confirmed: bool = Field(False, description="as that of the import itself")


@router.post("/imports/{import_id}/run", status_code=202, tags=["imports"], summary="Do what a preview showed")
async def run_import(state: StateDep, import_id: str, body: PreviewChoices | None = None) -> ImportItem:
    """A new import of the same selection."""
    given = body or PreviewChoices()
    found = await as_import(state, import_id, given.choices)
    found.payload.confirmed = given.confirmed
    return await request_import(state, found)


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
    found = await find(state, import_id)
    shown = item(found)
    if shown.state in ("running", "working"):
        shown.quota_use = await quota_use(state, (found.request.connection, found.request.target))
    return shown


@router.get(
    "/imports/{import_id}/report",
    tags=["imports"],
    summary="What an import did not link",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}},
)
async def report(state: StateDep, import_id: str) -> StreamingResponse:
    """As CSV: kind, id, what came of it, which conflict, why, its run, and what to do."""
    found = await find(state, import_id)
    headers = {"Content-Disposition": f'attachment; filename="{found.request.id}.csv"'}
    return StreamingResponse(import_report.lines(state, found.request), media_type="text/csv", headers=headers)


@router.post("/imports/{import_id}/{change}", tags=["imports"], summary="Pause, resume or cancel an import")
async def change_import(state: StateDep, import_id: str, change: Change) -> ImportItem:
    """It stops after the page in hand, and nothing more of what it wrote is begun: while it is paused that waits, and
    ends as skipped once it is cancelled. What is linked stays linked. One that was run in the foreground is resumed by
    ingress.
    """
    found = await find(state, import_id)
    shown, links = item(found), (found.request.flow_link,)
    waiting = shown.waiting + shown.conflicts
    request = changed("import", found.request, shown.state, change, waiting=waiting, flow_links=links)
    if change == "resume" and shown.state == "paused":
        request = msgspec.structs.replace(request, runner="")
    await _keep(state, request)
    return item(await find(state, import_id))


async def find(state: State, import_id: str) -> Imported:
    """Raises Unknown."""

    def read() -> Imported | None:
        with Session(state.database.engine) as session:
            return imported.find(session, import_id)

    found = await asyncio.to_thread(read)
    if found is None:
        raise Unknown(f"there is no import {import_id}", "see `tandem imports list` for those that there are")
    return found


async def _keep(state: State, request: ImportRequest) -> None:
    await seen(state, await state.writer.append(state.topics.imports, request.key, imports.encode(request)))
