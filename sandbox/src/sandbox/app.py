"""The whole sandbox as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from sandbox.control.payments import Payments
from sandbox.control.routes import Control
from sandbox.control.togai import TogaiPages
from sandbox.page import Page
from sandbox.pay_page import PayPages
from sandbox.stripe_api.app import StripeApi
from sandbox.togai_api.app import TogaiApi
from sandbox.world import World

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def make_app(world: World) -> Starlette:
    """Both APIs, the control API and the page; deliveries run while the application lives."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        world.deliveries.start()
        yield
        await world.deliveries.stop()
        world.store.close()

    async def health(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    page = Page(world)
    control = [*Control(world).routes(), *Payments(world).routes(), *TogaiPages(world).routes()]
    return Starlette(
        routes=[
            Route("/stripe/{path:path}", StripeApi(world).answer, methods=_METHODS),
            Route("/togai/{path:path}", TogaiApi(world).answer, methods=_METHODS),
            Mount("/control", routes=control),
            *PayPages(world).routes(),
            Route("/healthz", health),
            Route("/", page.show),
            Route("/page/stripe", page.create_stripe, methods=["POST"]),
            Route("/page/togai", page.create_togai, methods=["POST"]),
        ],
        lifespan=lifespan,
    )
