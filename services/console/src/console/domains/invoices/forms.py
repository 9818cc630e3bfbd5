"""The form of an invoice: a person's decision, and the way to its customer's page."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from shared.errors import SyncError
from sqlmodel import Session

from console.api.errors import ApiError, BadRequest
from console.api.state import StateDep
from console.domains.invoices import api
from console.pages.views import HEADERS, back_to, form_of, refused, render

router = APIRouter(include_in_schema=False)
CHANGES: dict[str, api.Change] = {"hold": "hold", "release": "release", "resync": "resync"}


@router.post("/invoices/decide")
async def decide_invoice(request: Request, state: StateDep) -> Response:
    """Hold it, release it or look at it again, then show the page again."""
    form = await form_of(request)
    try:
        change = CHANGES.get(form.get("change", ""))
        if change is None:
            raise BadRequest("nothing was chosen", "go back and hold the invoice, release it or look at it again")
        body = api.DecisionBody(reason=form.get("reason", ""))
        await api.decide(state, form.get("invoice", ""), change, body)
    except ValidationError:
        code, message, what = 400, "a decision needs a reason of 1 to 500 characters", "go back and say why"
        return render("problem.html", state, code, message=message, what_to_do=what)
    except (ApiError, SyncError) as error:
        return refused(state, error)
    return back_to("invoices", form, "decided")


@router.get("/invoices/page")
async def invoice_page(state: StateDep, invoice: str = "") -> Response:
    """To the page that its customer sees, under an address that can be sent to them."""

    def read() -> str:
        with Session(state.database.engine) as session:
            return api.page_address(session, state.settings, invoice)

    try:
        return RedirectResponse(await asyncio.to_thread(read), 303, headers=HEADERS)
    except ApiError as error:
        return refused(state, error)
