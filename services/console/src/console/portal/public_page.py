"""What every public page that can be paid does: the token in its address is all that a visitor has."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse, Response
from shared.connections import portal_keys
from shared.domains.model import Action, Trigger
from shared.flows.runs import Run
from shared.identity import Ref
from shared.log import get_logger
from shared.model import Model
from shared.sealed_addresses import Expired, NoToken
from shared.sealed_texts import TextSeal
from shared.settings import Settings
from sqlmodel import Session

from console.api.requests import append, event_about
from console.api.state import State, StateDep
from console.portal.pages import GONE, HEADERS, NOWHERE, plain, refused, rendered
from console.portal.till import Till
from console.projection import queries

log = get_logger(__name__)


PageState = Literal["open", "preparing", "confirming", "paid", "closed"]
"""In the customer's terms."""


class Payable(Protocol):
    """What a page shows. It can be paid here while it is open and has a till."""

    @property
    def state(self) -> PageState: ...
    @property
    def till(self) -> Till | None: ...


S = TypeVar("S", bound=Payable)


@dataclass(frozen=True)
class PublicPage(Generic[S]):
    """One kind of page. `name` is that of the template and of what it shows, `place` what is before the token.

    `entity_of` reads a token (raises NoToken, Expired), `shown` what the tables know of its entity, `answered` what
    a visitor's script gets. Who wants to pay asks by an event of `trigger`; what `action` makes of it is sealed
    for `purpose`, and may hold no longer than its `expires_at`; `wanted` is what the event says, with the token that
    it was asked by. `ends`: places behind the token to which a visitor comes back from paying.
    """

    name: str
    place: str
    trigger: Trigger
    action: Action
    purpose: str
    entity_of: Callable[[Settings, str], Ref]
    shown: Callable[[Session, Ref], S | None]
    answered: Callable[[S], dict[str, Any]]
    no_form: tuple[int, str, str]
    no_form_code: str
    too_often: tuple[int, str, str]
    wanted: Callable[[State, str, Ref, Till], Model]
    ends: tuple[str, ...]

    def router(self) -> APIRouter:
        """Its addresses: the page, where its visitors come back, how it is now, and the request to pay."""
        found = APIRouter(prefix=self.place.rstrip("/"), include_in_schema=False)
        for end in ("", *self.ends):
            found.add_api_route(f"/{{token}}/{end}".rstrip("/"), self._page_at(end))
        found.add_api_route("/{token}/state", self._follow)
        found.add_api_route("/{token}/session", self._ask, methods=["POST"], status_code=202)
        return found

    def _page_at(self, end: str) -> Callable[[State, str], Awaitable[HTMLResponse]]:
        async def page(state: StateDep, token: str) -> HTMLResponse:
            return await self._page(state, token, end)

        return page

    async def _page(self, state: State, token: str, place: str) -> HTMLResponse:
        """The page itself, or what it is at one of its places while it is open."""
        try:
            entity = self.entity_of(state.settings, token)
        except Expired:
            return plain(*GONE)
        except NoToken:
            return plain(*NOWHERE)
        found = await asyncio.to_thread(self._shown, state, entity)
        if found is None:
            return plain(*NOWHERE)
        view = place if place and found.state == "open" else found.state
        hosts = found.till.hosts if found.till and view == "open" else {}
        values: dict[str, Any] = {self.name: found, "view": view, "here": f"{self.place}{token}"}
        return rendered(f"{self.name}.html", hosts=hosts, **values)

    async def _follow(self, state: StateDep, token: str, run: str = "") -> Response:
        """How it is now; with the run that a request to pay started, what that needs to be shown."""
        entity = self._opened(state, token)
        if isinstance(entity, Response):
            return entity
        found = await asyncio.to_thread(self._followed, state, entity, run)
        return refused(NOWHERE, "not_found") if found is None else JSONResponse(found, headers=HEADERS)

    async def _ask(self, state: StateDep, token: str) -> Response:
        """Append the request to pay: whoever handles it makes what is needed."""
        entity = self._opened(state, token)
        if isinstance(entity, Response):
            return entity
        found = await asyncio.to_thread(self._shown, state, entity)
        if found is None or found.till is None:
            return refused(self.no_form, self.no_form_code)
        if not await state.sessions.take(str(entity)):
            log.warning("portal.limited", page=self.name, entity=str(entity))
            return refused(self.too_often, "too_often")
        link = found.till.link
        body = self.wanted(state, token, entity, found.till)
        event = event_about(str(entity), self.trigger.name, body, link.connections[self.trigger.app])
        return JSONResponse({"run": (await append(state, event, link.id)).run}, 202, headers=HEADERS)

    def _opened(self, state: State, token: str) -> Ref | JSONResponse:
        try:
            return self.entity_of(state.settings, token)
        except Expired:
            return refused(GONE, "expired")
        except NoToken:
            return refused(NOWHERE, "not_found")

    def _shown(self, state: State, entity: Ref) -> S | None:
        with Session(state.database.engine) as session:
            return self.shown(session, entity)

    def _followed(self, state: State, entity: Ref, run: str) -> dict[str, Any] | None:
        with Session(state.database.engine) as session:
            found = self.shown(session, entity)
            asked = queries.run(session, run) if run else None
        if found is None:
            return None
        answer = self.answered(found)
        # A run of another entity is none to this visitor.
        if found.state == "open" and asked and (asked.aggregate, asked.event_type) == (str(entity), self.trigger.name):
            answer |= {"ended": asked.ended, "client_secret": self._secret(state, asked)}
        return answer

    def _secret(self, state: State, run: Run) -> str:
        """Empty while there is none yet, and where none came of it."""
        seal = TextSeal(portal_keys(state.settings), self.purpose)
        for step in run.steps:
            output = step.output if step.action == self.action.name and step.state in ("succeeded", "in_sync") else {}
            if output and output.get("expires_at", math.inf) > time.time():
                return seal.open(str(output["sealed"])) or ""
        return ""
