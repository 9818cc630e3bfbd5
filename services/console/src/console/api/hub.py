"""Tells open pages and streams what has just been folded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from shared.flows.imports import ImportProgress, ImportRequest
from shared.flows.replays import ReplayProgress, ReplayRequest
from shared.flows.runs import DeadLetter, Run
from shared.linking.mappings import Mapping

from console.api import shapes
from console.projection.rows import Folded

QUEUED = 1000
"""Changes that wait for a slow reader; beyond them it must read everything again."""


class Change(NamedTuple):
    """One server-sent event: its name and its JSON."""

    event: str
    data: str


RELOAD = Change("reload", "{}")


class Hub:
    """Hands every change to every listener."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Change | None]] = set()
        self._closed = False

    def publish(self, folded: Sequence[Folded]) -> None:
        """Costs nothing while nobody listens."""
        if not self._listeners:
            return
        changes = [RELOAD] if len(folded) > QUEUED else [change for f in folded if (change := _change(f))]
        for queue in self._listeners:
            if queue.qsize() + len(changes) > QUEUED:
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(RELOAD)
            else:
                for change in changes:
                    queue.put_nowait(change)

    def close(self) -> None:
        """Ends every stream, so that the server can stop."""
        self._closed = True
        for queue in self._listeners:
            queue.put_nowait(None)

    @contextmanager
    def _listening(self) -> Iterator[asyncio.Queue[Change | None]]:
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    async def listen(self) -> AsyncIterator[Change]:
        """Every change from now on, until the console stops. The first one tells that the stream stands."""
        with self._listening() as queue:
            yield Change("ready", "{}")
            while not self._closed and (change := await queue.get()) is not None:
                yield change


def _change(folded: Folded) -> Change | None:
    record = folded.record
    if isinstance(record, Run):
        return Change("run", shapes.run_item(record).model_dump_json())
    if isinstance(record, Mapping):
        return Change("mapping", shapes.mapping_item(record, datetime.now(UTC)).model_dump_json())
    if isinstance(record, DeadLetter):
        return Change("dead-letter", shapes.dead_letter_item(record).model_dump_json())
    if isinstance(record, ImportRequest | ImportProgress):
        return Change("import", json.dumps({"id": record.id}))
    if isinstance(record, ReplayRequest | ReplayProgress):
        return Change("replay", json.dumps({"id": record.id}))
    return None
