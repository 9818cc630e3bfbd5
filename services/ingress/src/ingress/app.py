"""The two ingress applications: what the world may reach, and ingress's own pages on a port of their own."""

from __future__ import annotations

from typing import Any, cast

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingress.polling.pollers import Pollers
from ingress.ratelimit.allocator_server import AllocatorServer
from ingress.webhooks import Receive, Scope, Send, WebhookDeps, Webhooks

OWN_NAMES = ["127.0.0.1", "localhost"]


class Unsniffed:
    """ASGI middleware: no answer is taken for another kind than it says."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-content-type-options", b"nosniff")]
            await send(message)

        await self._app(scope, receive, sending)


class PublicApp:
    """What the vendors reach: `/webhooks/` on its lean path, and whether the process lives; nothing else."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._rest = Starlette(routes=[Route("/healthz", _healthz)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/webhooks/"):
            await self._webhooks(scope, receive, send)
        else:
            await self._rest(scope, cast(Any, receive), cast(Any, send))


def public_app(deps: WebhookDeps) -> Unsniffed:
    """For the port that a proxy leads the vendors to."""
    return Unsniffed(PublicApp(Webhooks(deps)))


def admin_app(deps: WebhookDeps, pollers: Pollers, allocator: AllocatorServer, *, on_loopback: bool) -> Unsniffed:
    """For the port that only the console and your monitoring reach."""
    pages = _pages(deps, pollers, allocator)
    # There it needs no token: a web site whose name leads to this machine must not read it through a browser.
    return Unsniffed(TrustedHostMiddleware(pages, OWN_NAMES) if on_loopback else pages)


async def _healthz(_: Request) -> Response:
    """Whether the process lives."""
    return JSONResponse({"status": "ok"})


def _pages(deps: WebhookDeps, pollers: Pollers, allocator: AllocatorServer) -> Starlette:
    async def readyz(_: Request) -> Response:
        """Whether webhooks are taken: the connections have been read."""
        ready = deps.replica.ready
        facts = {"ready": ready, "service": "ingress", "connections": len(deps.registry.connections)}
        return JSONResponse(facts, status_code=200 if ready else 503)

    async def how_far(_: Request) -> Response:
        """How far the pollers are, and what is wrong with them."""
        return JSONResponse(pollers.status())

    async def limits(_: Request) -> Response:
        """Whether this process grants leases, and what each app account may do now."""
        return JSONResponse(allocator.status())

    async def metrics(_: Request) -> Response:
        """Prometheus metrics."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    pages = {"healthz": _healthz, "readyz": readyz, "pollers": how_far, "limits": limits, "metrics": metrics}
    return Starlette(routes=[Route(f"/{name}", answer) for name, answer in pages.items()])
