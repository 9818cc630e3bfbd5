"""The ingress application: the lean webhook path, and FastAPI for the rest."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ingress.limits.office import Office
from ingress.polling.pollers import Pollers
from ingress.webhooks import Desk, Receive, Scope, Send, Webhooks


def make_app(desk: Desk, pollers: Pollers, office: Office) -> Ingress:
    """Both halves over what they share."""
    return Ingress(Webhooks(desk), _pages(desk, pollers, office))


class Ingress:
    """Sends `/webhooks/` to the lean path and everything else to FastAPI."""

    def __init__(self, webhooks: Webhooks, pages: FastAPI) -> None:
        self._webhooks = webhooks
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/webhooks/"):
            await self._webhooks(scope, receive, send)
        else:
            await self._pages(scope, receive, cast(Any, send))


def _pages(desk: Desk, pollers: Pollers, office: Office) -> FastAPI:
    pages = FastAPI(title="Tandem ingress", docs_url=None, redoc_url=None)

    @pages.get("/healthz", summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @pages.get("/readyz", summary="Whether webhooks are taken: the connections have been read")
    async def readyz() -> JSONResponse:
        ready = desk.replica.ready
        facts = {"ready": ready, "service": "ingress", "connections": len(desk.registry.connections)}
        return JSONResponse(facts, status_code=200 if ready else 503)

    @pages.get("/pollers", summary="How far the pollers are, and what is wrong with them")
    async def how_far() -> dict[str, Any]:
        return pollers.status()

    @pages.get("/limits", summary="Whether this process leases permits, and what each app account may do now")
    async def limits() -> dict[str, Any]:
        return office.status()

    @pages.get("/metrics", summary="Prometheus metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return pages
