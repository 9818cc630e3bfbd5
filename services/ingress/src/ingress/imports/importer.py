"""One import, page by page: list, append events, write how far it is. A process may die between any two of these.

The page is then listed again, and its events have the same ids: whoever handles them finds done what was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from aiokafka.errors import KafkaError
from shared.apps import APPS
from shared.apps.listing import Listed, ListedPage, Window
from shared.domains import BUILT_IN, import_kinds, noun_of
from shared.domains.choices import write_choices
from shared.domains.model import ImportKind
from shared.errors import Permanent, Rejected, SyncError
from shared.events import envelope as envelopes
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.flows import imports
from shared.flows.asked import Wanted, ends_as
from shared.flows.imports import ImportProgress, ImportRequest
from shared.flows.recheck import replayed
from shared.identity import Ref
from shared.kafka.log import Log
from shared.log import get_logger
from shared.runtime.clients import Clients
from shared.runtime.registry import Registry
from shared.settings import Settings
from shared.tasks import ended

from ingress.imports import slices
from ingress.imports.standing import standing_of

log = get_logger(__name__)

AGAIN_AFTER = 5.0
"""Seconds before a page is listed again that failed."""
AT_ONCE = 25
"""Events that are under way to Kafka at the same time: what a webhook brings waits for no more."""
LISTED_A_SECOND = 250.0
"""Rows that are listed and written a second at most. Without it a list takes a whole core, from live events too; and
nobody needs more: Togai grants 10 calls a second, and a row that needs none takes a worker 14 ms.
"""

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
    """Runs one import to its end, or until a person pauses or cancels it (`wanted`).

    Up to `side_by_side` slices of a list are read at the same time. `standing` counts, for a dry run, who stands at the
    other side already: (so many, the most that the vendor lets stand).
    """

    def __init__(
        self,
        request: ImportRequest,
        progress: ImportProgress | None,
        source: Source,
        kafka: Log,
        topics: Topics,
        wanted: Callable[[], Wanted],
        again_after: float = AGAIN_AFTER,
        *,
        side_by_side: int = 1,
        a_second: float = LISTED_A_SECOND,
        standing: Callable[[], Awaitable[tuple[int, int]]] | None = None,
    ) -> None:
        self._request = request
        self._kind: ImportKind = import_kinds()[request.kind]
        self._source = source
        self._kafka = kafka
        self._topics = topics
        self._wanted = wanted
        self._again_after = again_after
        self._side_by_side = side_by_side if self._kind.sliced and not request.ids else 1
        self._rest = self._side_by_side / a_second  # seconds for each row
        self._standing = standing
        self._from_the_beginning: set[int] = set()
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._listing: set[int] = set()
        self._in_order = asyncio.Lock()
        self.progress = progress or ImportProgress(id=request.id, started_at=_now())

    async def run(self) -> None:
        """Go on from where the progress is. Raises Unavailable, KafkaError if Kafka is away."""
        log.info("import.running", id=self._request.id, kind=self._request.kind, written=self.progress.written)
        if not self.progress.slices:
            window = Window(self._request.created_from, self._request.created_until)
            self._change(slices=slices.whole(window))
        try:
            if self._request.dry_run and self._standing and not self.progress.quota:
                await self._count_standing()
            await self._all_slices()
        except Permanent as error:
            await self._keep(state="failed", problem=error.message, ended_at=_now())
        finally:
            await ended(*self._busy.values())

    async def _count_standing(self) -> None:
        """What the preview compares with the vendor's quota; that it cannot be read holds up nothing."""
        assert self._standing
        try:
            count, most = await self._standing()
        except SyncError as error:
            log.warning("import.not_counted", id=self._request.id, reason=error.message)
            return
        self._change(standing=count, quota=most)

    async def _all_slices(self) -> None:
        """Pages of several slices at a time, each a task. What one raises ends all."""
        while (state := ends_as(self._wanted())) is None:
            self._begin_pages()
            if not self._busy:
                log.info("import.listed", id=self._request.id, written=self.progress.written)
                return
            await self._next_page()
        while self._busy:  # the pages in hand are brought to their end
            await self._next_page()
        if self.progress.state != "listed":
            await self._keep(state=state, ended_at=_now() if state == "cancelled" else "")

    def _begin_pages(self) -> None:
        for index, part in enumerate(self.progress.slices):
            if len(self._busy) < self._side_by_side and not part.done and index not in self._busy:
                self._begin_page(index)
        while len(self._busy) < self._side_by_side and (more := slices.cut(self.progress.slices, self._listing)):
            self._change(slices=more)
            self._begin_page(len(more) - 1)

    def _begin_page(self, index: int) -> None:
        self._listing.add(index)
        self._busy[index] = asyncio.create_task(self._page_or_report(index))

    async def _next_page(self) -> None:
        await asyncio.wait(self._busy.values(), return_when=asyncio.FIRST_COMPLETED)
        for index in [index for index, task in self._busy.items() if task.done()]:
            self._busy.pop(index).result()

    async def _page_or_report(self, index: int) -> None:
        """One page of a slice; what passes by itself is said, and waited out. Raises Permanent."""
        try:
            async with self._source.keep_refusals():
                written = await self._page(index)
            if not self.progress.slices[index].done:
                await asyncio.sleep(written * self._rest)
        except Permanent:
            raise
        except (SyncError, KafkaError) as error:
            await self._report(getattr(error, "message", "") or repr(error))
            await asyncio.sleep(self._again_after)

    async def _page(self, index: int) -> int:
        """List and write one page of a slice: how many rows it had."""
        page = await self._listed(index)
        # Its older half may have been cut off meanwhile, and is not any more while its rows are written.
        self._listing.discard(index)
        part = self.progress.slices[index]
        rows = [row for row in page.rows if not row.created or row.created >= part.begin]
        following = page.following if len(rows) == len(page.rows) else ""
        new_rows = [row for row in rows if row.id not in part.edge]
        await self._append(new_rows)
        after = slices.after_page(part, rows, len(new_rows), following)
        found = [after if place == index else each for place, each in enumerate(self.progress.slices)]
        # The end is written with the last page: without a cursor a list is read from its beginning.
        end: dict[str, Any] = {"state": "listed", "ended_at": _now()} if all(each.done for each in found) else {}
        count = sum(each.listed for each in found)
        await self._keep(**({"state": "running", "problem": ""} | end), slices=found, listed=count, written=count)
        return len(new_rows)

    async def _listed(self, index: int) -> ListedPage:
        """The next page of a slice. Where the cursor is refused the list is read from the second that it had reached,
        or whole.
        """
        request, part = self._request, self.progress.slices[index]
        client = await self._source.client()  # raises what is wrong with the connection
        if request.ids:
            return ListedPage([Listed(each, 0) for each in request.ids])
        app = APPS[self._source.app_account.partition(":")[0]]
        noun = self._kind.source.noun
        window = Window(part.begin, part.end)
        try:
            return await app.list_page(client, noun, window, part.cursor)
        except Rejected as error:
            if not part.cursor or (index in self._from_the_beginning and not part.reached):
                raise
            self._from_the_beginning.add(index)
            log.warning("import.cursor_refused", id=request.id, reason=error.message)
            rest = window._replace(end=part.reached + 1) if part.reached else window
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
            dry_run=request.dry_run,
            choices=write_choices(request.choices),
        )
        await self._kafka.append(self._topics.replay(noun_of(trigger)), aggregate, envelopes.encode(event))

    async def _report(self, problem: str) -> None:
        if problem != self.progress.problem:
            log.warning("import.held_up", id=self._request.id, reason=problem)
            await self._keep(problem=problem)

    async def report_alive(self, every: float) -> None:
        """Write how far it is if that was not done for so many seconds. Raises Unavailable, KafkaError."""
        last = self.progress.updated_at or self.progress.started_at
        if (datetime.now(UTC) - datetime.fromisoformat(last)).total_seconds() > every:
            await self._keep()

    def _change(self, **changes: Any) -> None:
        self.progress = msgspec.structs.replace(self.progress, updated_at=_now(), **changes)

    async def _keep(self, **changes: Any) -> None:
        """Changed at once, for other slices go on from it; written in the same order."""
        self._change(**changes)
        async with self._in_order:
            await self._kafka.append(self._topics.imports, self.progress.key, imports.encode(self.progress))


def importer_of(
    request: ImportRequest,
    progress: ImportProgress | None,
    settings: Settings,
    registry: Registry,
    clients: Clients,
    kafka: Log,
    wanted: Callable[[], Wanted],
) -> Importer:
    """The importer of a request, as whoever runs it makes it: ingress, or a person in the foreground."""
    connection = registry.connections.get(request.connection)
    return Importer(
        request,
        progress,
        Source(
            connection.app_account if connection else "", partial(clients.of, request.connection), clients.keep_refusals
        ),
        kafka,
        Topics(settings),
        wanted,
        side_by_side=settings.import_slices,
        standing=standing_of(request, settings, registry, clients),
    )


def _now() -> str:
    return timestamp(datetime.now(UTC))
