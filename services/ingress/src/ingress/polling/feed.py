"""The index of Stripe's customers, fed from the log as their events are appended: a look alone would lag behind."""

from __future__ import annotations

import asyncio
from functools import partial
from types import TracebackType
from typing import Self

from shared.errors import SyncError
from shared.linking.index import Entity
from shared.log import get_logger

from ingress.polling.book import Book
from ingress.polling.stripe_index import supersedes

log = get_logger(__name__)

TRY_AGAIN = 1.0
"""Seconds after a write that Kafka did not confirm. What is forgotten at a stop the next look's list shows again."""


class Feed:
    """Takes states as they are told, and writes the newest of each customer."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._waiting: dict[str, tuple[Entity, bool]] = {}
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write(), name="feed")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        while self._task and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1.0)

    def tell(self, entity: Entity, live: bool) -> None:
        """A customer's state from the log. What was appended before we came is older than what a look has shown."""
        waiting = self._waiting.get(entity.ref)
        known = waiting[0] if waiting else self._book.index.get(entity.ref)
        if supersedes(entity, known, ties=live):
            self._waiting[entity.ref] = (entity, live)
            self._told.set()

    async def _write(self) -> None:
        while not self._stopping:
            await self._told.wait()
            self._told.clear()
            some, self._waiting = self._waiting, {}
            try:
                for ties in (True, False):
                    told = [entity for entity, live in some.values() if live == ties]
                    await self._book.settle(told, partial(supersedes, ties=ties))
            except SyncError as error:
                log.warning("poll.index_not_written", reason=error.message)
                self._waiting = some | self._waiting
                self._told.set()
                await asyncio.sleep(TRY_AGAIN)
