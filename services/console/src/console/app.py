"""The console as an ASGI application."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from console.api import (
    catch_up,
    changes,
    errors,
    imports,
    links,
    live,
    pending,
    records,
    replays,
    retry_many,
    setup,
    status,
)
from console.api.bodies import BodyLimit
from console.api.guard import Guard, check_locked
from console.api.state import State
from console.domains import servers
from console.names import files_in, only_once
from console.pages import decide, lists, views
from console.pages import imports as import_pages
from console.pages import replays as replay_pages
from console.portal import assets
from console.portal import pages as public_pages

DESCRIPTION = """
Which entity at one app is which at the other, what ran, what failed and why.

Lists answer `{"items": [...], "next_cursor": ...}`, newest first, and find by any id of either side. Every answer of
400 and above has the body `{"error": {"code", "message", "what_to_do"}}`. The header `Tandem-As-Of` tells how fresh
the tables are.
"""


def create_app(state: State) -> FastAPI:
    """The routes over the parts. Raises Misconfigured for a console that others could reach without a token, ValueError
    for two parts of one name.
    """
    check_locked(state.settings)
    app = FastAPI(title="Tandem console", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None)
    # It would lead to http and to whatever host the request names: with a customer's token, which stands in the path.
    app.router.redirect_slashes = False
    app.state.tandem = state
    errors.install(app)
    common = (records, pending, changes, retry_many, catch_up, imports, replays, links, setup, status, live, assets)
    pages = (views, decide, import_pages, replay_pages)
    # Domains' own first: they name what the common ones take by any name, as a change of an import or a page.
    of_domains = (router for server in servers() for router in server.routers)
    routers = (*of_domains, *(part.router for part in (*common, *pages)))
    _check_names(routers)
    # As they are: `include_router` would make each once more at the first request, in 100 ms of it.
    for router in routers:
        app.router.routes.extend(router.routes)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, settings=state.settings)
    return app


def _check_names(routers: Sequence[APIRouter]) -> None:
    """Of the console's own parts and of those that domains add."""
    only_once("page", lists.addresses())
    only_once("list of the status", status.lists())
    only_once("template", files_in(views.folders()))
    only_once("public file", files_in(public_pages.folders()))
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    only_once("address", (f"{method} {route.path}" for route in routes for method in route.methods or ()))
