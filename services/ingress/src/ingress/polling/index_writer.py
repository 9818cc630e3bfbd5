"""The index, fed from the log as events are appended: polls alone would lag behind."""

from __future__ import annotations

import asyncio
from functools import partial
from types import TracebackType
from typing import Self

from shared.apps import APPS
from shared.errors import SyncError
from shared.linking.index import Entity
from shared.log import get_logger
from shared.tasks import Repeated

from ingress.polling.store import PollStore

log = get_logger(__name__)

TRY_AGAIN = 1.0
"""Seconds after a write that Kafka did not confirm. What is forgotten at a stop the next poll's list shows again."""


class IndexWriter:
    """Takes states of entities as events show them, and writes the newest of each."""

    def __init__(self, store: PollStore) -> None:
        self._store = store
        self._waiting: dict[str, tuple[Entity, bool]] = {}
        self._offered = asyncio.Event()
        self._writing = Repeated("index-writer", self._write, restart_after=TRY_AGAIN)

    async def __aenter__(self) -> Self:
        self._writing.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._writing.stop()

    def offer(self, entity: Entity, live: bool) -> None:
        """An entity's state from the log. What was appended before we came is older than what a poll has shown."""
        waiting = self._waiting.get(entity.ref)
        known = waiting[0] if waiting else self._store.index.get(entity.ref)
        if _supersedes(entity, known, ties=live):
            self._waiting[entity.ref] = (entity, live)
            self._offered.set()

    async def _write(self) -> None:
        """Write what is offered until a write fails."""
        while not self._writing.stopping:
            await self._offered.wait()
            self._offered.clear()
            some, self._waiting = self._waiting, {}
            try:
                for ties in (True, False):
                    offered = [entity for entity, live in some.values() if live == ties]
                    await self._store.upsert(offered, partial(_supersedes, ties=ties))
            except SyncError as error:
                log.warning("poll.index_not_written", reason=error.message)
                self._waiting = some | self._waiting
                self._offered.set()
                return


def _supersedes(new: Entity, known: Entity | None, *, ties: bool) -> bool:
    """By the rules of its app."""
    return APPS[new.ref.partition(":")[0]].supersedes(new, known, ties=ties)
