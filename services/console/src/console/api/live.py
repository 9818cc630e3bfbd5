"""Health for machines, and the stream of changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from console import identity
from console.api.errors import Unknown
from console.api.state import StateDep

router = APIRouter()


@router.get("/healthz", tags=["health"], summary="Is the process alive")
async def healthz() -> dict[str, str]:
    """200 as long as the process answers."""
    return {"status": "ok"}


@router.get("/readyz", tags=["health"], summary="Are the tables up to date and whole")
async def readyz(state: StateDep) -> Response:
    """503 until the log was read to its end once, and while a partition is stopped: the body says which.

    Everybody may ask this, so it does not say why: `tandem status` and GET /api/health do.
    """
    health = state.projector.health()
    shown = {name: health[name] for name in ("ready", "lag", "as_of")}
    shown["problem"] = "see `tandem status`" if health["problem"] else ""
    shown["stopped"] = [{name: one[name] for name in ("topic", "partition")} for one in health["stopped"]]
    return JSONResponse(shown, status_code=200 if health["ready"] else 503)


@router.get(identity.PATH, tags=["health"], summary="Is this the console that knows the token")
async def identify(state: StateDep, nonce: Annotated[str, Query(pattern=identity.NONCE)]) -> dict[str, str]:
    """HMAC-SHA256 of port and nonce under the token: `tandem` asks for it before it sends the token to anybody."""
    token = state.settings.console_token.get_secret_value()
    if not token:
        raise Unknown("this console has no token", "ask without one, or set TANDEM_CONSOLE_TOKEN and start it again")
    return {"proof": identity.proof(token, state.settings.console_port, nonce)}


@router.get("/api/health", tags=["health"], summary="Where the projection stands")
async def health(state: StateDep) -> dict[str, Any]:
    """Position and end of every partition, the stopped ones, and how old the tables are."""
    return state.projector.health()


@router.get("/api/stream", tags=["health"], summary="New and changed runs, mappings and dead letters as they come")
async def stream(state: StateDep) -> EventSourceResponse:
    """Server-sent events `run`, `mapping` and `dead-letter`: `data` is the item as in the lists.
    `import` names one that went on.

    `ready` tells that the stream stands; `reload` that too much came at once: read the lists again.
    """

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for change in state.hub.listen():
            yield ServerSentEvent(event=change.event, data=change.data)

    return EventSourceResponse(events(), ping=15)
