"""The ingress application: the lean webhook path, and Starlette for the rest."""

from __future__ import annotations

from typing import Any, cast

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingress.limits.office import Office
from ingress.polling.pollers import Pollers
from ingress.webhooks import Desk, Receive, Scope, Send, Webhooks


def make_app(desk: Desk, pollers: Pollers, office: Office) -> Ingress:
    """Both halves over what they share."""
    return Ingress(Webhooks(desk), _pages(desk, pollers, office))


class Ingress:
    """Sends `/webhooks/` to the lean path and everything else to Starlette."""

    def __init__(self, webhooks: Webhooks, pages: Starlette) -> None:
        self._webhooks = webhooks
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = _without_sniffing(send)
        if scope["type"] == "http" and scope["path"].startswith("/webhooks/"):
            await self._webhooks(scope, receive, send)
        else:
            await self._pages(scope, cast(Any, receive), cast(Any, send))


def _without_sniffing(send: Send) -> Send:
    """No answer is taken for another kind than it says."""

    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"x-content-type-options", b"nosniff")]
        await send(message)

    return sending


def _pages(desk: Desk, pollers: Pollers, office: Office) -> Starlette:
    async def healthz(_: Request) -> Response:
        """Whether the process lives."""
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        """Whether webhooks are taken: the connections have been read."""
        ready = desk.replica.ready
        facts = {"ready": ready, "service": "ingress", "connections": len(desk.registry.connections)}
        return JSONResponse(facts, status_code=200 if ready else 503)

    async def how_far(_: Request) -> Response:
        """How far the pollers are, and what is wrong with them."""
        return JSONResponse(pollers.status())

    async def limits(_: Request) -> Response:
        """Whether this process leases permits, and what each app account may do now."""
        return JSONResponse(office.status())

    async def metrics(_: Request) -> Response:
        """Prometheus metrics."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    pages = {"healthz": healthz, "readyz": readyz, "pollers": how_far, "limits": limits, "metrics": metrics}
    return Starlette(routes=[Route(f"/{name}", answer) for name, answer in pages.items()])
