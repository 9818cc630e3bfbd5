"""How many stand at the other side of an import already, and how many the vendor lets stand there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from shared.apps import APPS
from shared.apps.listing import Window
from shared.domains import import_kinds
from shared.flows.imports import ImportRequest
from shared.runtime.clients import Clients
from shared.runtime.registry import Registry
from shared.settings import Settings

ALWAYS = Window(0, 1 << 40)


def standing_of(
    request: ImportRequest, settings: Settings, registry: Registry, clients: Clients
) -> Callable[[], Awaitable[tuple[int, int]]]:
    """Counts them, no further than the vendor's limit: a few pages. The coroutine raises the client's errors."""

    async def count() -> tuple[int, int]:
        connection = registry.connections.get(request.target)
        if connection is None:
            return 0, 0
        app, noun = APPS[connection.app], import_kinds()[request.kind].target.noun
        most = app.most(settings, noun)
        found, after, more = 0, "", most > 0
        while more:
            async with clients.keep_refusals():
                page = await app.list_page(await clients.of(connection.id), noun, ALWAYS, after)
            found, after = found + len(page.rows), page.following
            more = bool(after) and found < most
        return found, most

    return count
