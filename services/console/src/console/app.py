"""The console as an ASGI application."""

from __future__ import annotations

from fastapi import FastAPI

from console.api import (
    catch_up,
    changes,
    errors,
    imports,
    invoices,
    links,
    live,
    pending,
    plans,
    portal,
    records,
    replays,
    setup,
    status,
)
from console.api.bodies import BodyLimit
from console.api.guard import Guard, check_locked
from console.api.state import State
from console.pages import decide, views
from console.pages import imports as import_pages
from console.pages import replays as replay_pages
from console.portal import invoice_routes, sign_in
from console.portal import routes as portal_pages

DESCRIPTION = """
Which entity at one app is which at the other, what ran, what failed and why.

Lists answer `{"items": [...], "next_cursor": ...}`, newest first, and find by any id of either side. Every answer of
400 and above has the body `{"error": {"code", "message", "what_to_do"}}`. The header `Tandem-As-Of` tells how fresh
the tables are.
"""


def create_app(state: State) -> FastAPI:
    """The routes over the parts. Raises Misconfigured for a console that others could reach without a token."""
    check_locked(state.settings)
    app = FastAPI(title="Tandem console", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None)
    # It would lead to http and to whatever host the request names: with a customer's token, which stands in the path.
    app.router.redirect_slashes = False
    app.state.tandem = state
    errors.install(app)
    for part in (
        records,
        pending,
        plans,
        changes,
        catch_up,
        imports,
        replays,
        invoices,
        links,
        setup,
        status,
        portal,
        live,
        sign_in,
        invoice_routes,
        portal_pages,
        views,
        decide,
        import_pages,
        replay_pages,
    ):
        app.include_router(part.router)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, settings=state.settings)
    return app
