"""One import, page by page: list, append events, write how far it is. A process may die between any two of these.

The page is then listed again, and its events have the same ids: whoever handles them finds done what was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiokafka.errors import KafkaError
from shared.apps import APPS
from shared.apps.listing import Listed, ListedPage, Window
from shared.domains import BUILT_IN, import_kinds, noun_of
from shared.domains.model import ImportKind
from shared.errors import Permanent, Rejected, SyncError
from shared.events import envelope as envelopes
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.flows import imports
from shared.flows.imports import ImportProgress, ImportRequest, ImportState, Wanted
from shared.flows.recheck import replayed
from shared.identity import Ref
from shared.kafka.log import Log
from shared.log import get_logger

log = get_logger(__name__)

AGAIN_AFTER = 5.0
"""Seconds before a page is listed again that failed."""
AT_ONCE = 100
"""Events that are under way to Kafka at the same time."""

Client = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Source:
    """Where an import reads: the app account, a client for it, which may raise ConnectionClosed, and what stands around
    calls: what the vendor says of the key is kept there.
    """

    app_account: str
    client: Client
    keep_refusals: Callable[[], AbstractAsyncContextManager[None]]


class Importer:
    """Runs one import to its end, or until a person pauses or cancels it (`wanted`)."""

    def __init__(
        self,
        request: ImportRequest,
        progress: ImportProgress | None,
        source: Source,
        kafka: Log,
        topics: Topics,
        wanted: Callable[[], Wanted],
        again_after: float = AGAIN_AFTER,
    ) -> None:
        self._request = request
        self._kind: ImportKind = import_kinds()[request.kind]
        self._source = source
        self._kafka = kafka
        self._topics = topics
        self._wanted = wanted
        self._again_after = again_after
        self._from_the_beginning = False
        self.progress = progress or ImportProgress(id=request.id, started_at=_now())

    async def run(self) -> None:
        """Go on from where the progress is. Raises Unavailable, KafkaError if Kafka is away."""
        log.info("import.running", id=self._request.id, kind=self._request.kind, written=self.progress.written)
        while (state := self._ends_as()) is None:
            try:
                async with self._source.keep_refusals():
                    more = await self._page()
            except Permanent as error:
                await self._keep(state="failed", problem=error.message, ended_at=_now())
                return
            except (SyncError, KafkaError) as error:
                await self._report(getattr(error, "message", "") or repr(error))
                await asyncio.sleep(self._again_after)
                continue
            if not more:
                log.info("import.listed", id=self._request.id, written=self.progress.written)
                return
        await self._keep(state=state, ended_at=_now() if state == "cancelled" else "")

    def _ends_as(self) -> ImportState | None:
        match self._wanted():
            case "pause":
                return "paused"
            case "cancel":
                return "cancelled"
            case _:
                return None

    async def _page(self) -> bool:
        """List and write one page; whether there are more."""
        page = await self._listed()
        new_rows = [row for row in page.rows if row.id not in self.progress.edge]
        await self._append(new_rows)
        count = {name: getattr(self.progress, name) + len(new_rows) for name in ("listed", "written")}
        # The end is written with the last page: without a cursor a list is read from its beginning.
        ended: dict[str, Any] = {} if page.following else {"state": "listed", "ended_at": _now()}
        changes = {"state": "running", "problem": "", "cursor": page.following} | ended
        await self._keep(**changes, **count, **self._reached(page.rows))
        return bool(page.following)

    def _reached(self, rows: Sequence[Listed]) -> dict[str, Any]:
        """How far back in time the list is, and what was made in that second."""
        if not rows or not rows[-1].created:
            return {}
        last = rows[-1].created
        kept = self.progress.edge if last == self.progress.reached else []
        return {"reached": last, "edge": [*kept, *(row.id for row in rows if row.created == last)]}

    async def _listed(self) -> ListedPage:
        """The next page. Where the cursor is refused the list is read from the second that it had reached, or whole."""
        request, progress = self._request, self.progress
        client = await self._source.client()  # raises what is wrong with the connection
        if request.ids:
            return ListedPage([Listed(each, 0) for each in request.ids])
        app = APPS[self._source.app_account.partition(":")[0]]
        noun = self._kind.source.noun
        window = Window(request.created_from, request.created_until)
        try:
            return await app.list_page(client, noun, window, progress.cursor)
        except Rejected as error:
            if not progress.cursor or (self._from_the_beginning and not progress.reached):
                raise
            self._from_the_beginning = True
            log.warning("import.cursor_refused", id=request.id, reason=error.message)
            rest = window._replace(end=progress.reached + 1) if progress.reached else window
            return await app.list_page(client, noun, rest, "")

    async def _append(self, rows: Sequence[Listed]) -> None:
        for start in range(0, len(rows), AT_ONCE):
            await asyncio.gather(*(self._event(row.id) for row in rows[start : start + AT_ONCE]))

    async def _event(self, entity: str) -> None:
        request, trigger = self._request, BUILT_IN[self._kind.flow].trigger
        aggregate = str(Ref(self._source.app_account, self._kind.source.noun, entity))
        event = replayed(
            aggregate,
            trigger,
            f"{request.id}-{entity}",
            request.connection,
            datetime.now(UTC),
            request.id,
            "backfill",
            request.flow_link,
        )
        await self._kafka.append(self._topics.replay(noun_of(trigger)), aggregate, envelopes.encode(event))

    async def _report(self, problem: str) -> None:
        if problem != self.progress.problem:
            log.warning("import.held_up", id=self._request.id, reason=problem)
            await self._keep(problem=problem)

    async def _keep(self, **changes: Any) -> None:
        self.progress = msgspec.structs.replace(self.progress, updated_at=_now(), **changes)
        await self._kafka.append(self._topics.imports, self.progress.key, imports.encode(self.progress))


def _now() -> str:
    return timestamp(datetime.now(UTC))
