"""The second step of an import of subscriptions: those that were left to Togai's billing end with their periods."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import ConfigDict, Field
from shared.domains.plans.subscriptions import BILLING, IMPORT, IMPORT_ENDS
from shared.errors import SyncError
from shared.model import Model

from console.api import imports
from console.api.errors import ApiError, NotNow
from console.api.imported import ImportItem
from console.api.imports import ImportBody
from console.api.state import State, StateDep
from console.pages.views import back_to, refused

api = APIRouter(prefix="/api", responses=imports.router.responses)
form = APIRouter(include_in_schema=False)


class EndBody(Model):
    """Whether the subscriptions of an import are to end."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(False, description="say what would be done with each, and write nothing")
    confirmed: bool = Field(False, description="that Stripe stops billing them; needed unless it is a preview")


@api.post("/imports/{import_id}/end", status_code=202, tags=["imports"], summary="End imported subscriptions")
async def end_subscriptions(state: StateDep, import_id: str, body: EndBody) -> ImportItem:
    """Each subscription of an import that Togai is to bill ends with its period: an import of its own, which may be
    asked for again at any time.
    """
    return await imports.request_import(state, await _ends_of(state, import_id, body))


@form.post("/imports/{import_id}/end")
async def end(state: StateDep, import_id: str) -> Response:
    """Preview the end of the subscriptions that an import left to Togai's billing; the preview is then confirmed."""
    try:
        await imports.request_import(state, await _ends_of(state, import_id, EndBody(dry_run=True)))
    except (ApiError, SyncError) as error:
        return refused(state, error)
    return back_to("imports", {}, "imported")


async def _ends_of(state: State, import_id: str, body: EndBody) -> ImportBody:
    """Raises Unknown, NotNow."""
    request = (await imports.find(state, import_id)).request
    if (request.kind, request.choices.get(BILLING.name), request.dry_run) != (IMPORT.name, "togai", False):
        what = f"import them first: `tandem import {IMPORT.name} --billing togai`"
        raise NotNow(f"import {import_id} left no subscriptions to Togai's billing", what)
    whole = await imports.as_asked(state, import_id)
    changes = {"dry_run": body.dry_run, "confirmed": body.confirmed, "choices": {}}
    return ImportBody(kind=IMPORT_ENDS.name, payload=whole.payload.model_copy(update=changes))
