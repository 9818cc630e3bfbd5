"""One replay, page by page: read the log, send events again, write how far it is. A process may die between any two.

The page is then read again, and its events have the same ids: whoever handles them finds done what was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from shared.connections import FlowLink
from shared.domains import BUILT_IN, trigger_alias
from shared.errors import Malformed, SyncError
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope, timestamp
from shared.events.topics import Topics
from shared.flows import replays
from shared.flows.asked import Wanted, ends_as
from shared.flows.recheck import is_replayable, replayed
from shared.flows.replays import ReplayProgress, ReplayRequest
from shared.identity import Ref
from shared.kafka.log import Log
from shared.log import get_logger
from shared.runtime.registry import Registry

from ingress.replays.reader import Page

log = get_logger(__name__)

AGAIN_AFTER = 5.0
"""Seconds before a page is read again that failed."""
AT_ONCE = 100
"""Events that are under way to Kafka at the same time."""


class Reader(Protocol):
    """As EventReader."""

    async def bounds(self, topic: str, since: int, until: int) -> dict[int, tuple[int, int]]: ...

    async def read(self, topic: str, partition: int, begin: int, end: int) -> Page: ...


class Replayer:
    """Runs one replay to its end, or until a person pauses or cancels it (`wanted`)."""

    def __init__(
        self,
        request: ReplayRequest,
        progress: ReplayProgress | None,
        reader: Callable[[], AbstractAsyncContextManager[Reader]],
        registry: Registry,
        kafka: Log,
        topics: Topics,
        wanted: Callable[[], Wanted],
        again_after: float = AGAIN_AFTER,
    ) -> None:
        self._request = request
        self._reader = reader
        self._registry = registry
        self._kafka = kafka
        self._topics = topics
        self._wanted = wanted
        self._again_after = again_after
        self._sent: set[str] = set()
        self.progress = progress or ReplayProgress(id=request.id, started_at=_now())

    async def run(self) -> None:
        """Go on from where the progress is. Raises Unavailable if Kafka takes no progress."""
        log.info("replay.running", id=self._request.id, noun=self._request.noun, written=self.progress.written)
        while True:
            try:
                return await self._to_the_end()
            except SyncError as error:
                log.warning("replay.held_up", id=self._request.id, reason=error.message)
                await self._keep(problem=error.message)
            await asyncio.sleep(self._again_after)

    async def _to_the_end(self) -> None:
        """Page by page, or until a person stops it."""
        async with self._reader() as reader:
            async for page in self._pages(reader):
                await self._send(page)
                if state := ends_as(self._wanted()):
                    await self._keep(state=state, ended_at=_now() if state == "cancelled" else "")
                    return
        await self._keep(state="listed", problem="", ended_at=_now())
        log.info("replay.listed", id=self._request.id, written=self.progress.written)

    async def _pages(self, reader: Reader) -> AsyncIterator[dict[str, Any]]:
        """What each page comes to: its events, and the progress after it."""
        request, topic = self._request, self._topics.events(self._request.noun)
        bounds = await reader.bounds(topic, request.since, request.until)
        if ends_as(self._wanted()):  # it may be cancelled before it was begun, and a page may not come
            yield {"values": (), "offsets": self.progress.offsets}
        for partition, (begin, end) in sorted(bounds.items()):
            offset = self.progress.offsets.get(str(partition), begin)
            while offset < end:
                page = await reader.read(topic, partition, offset, end)
                offset = page.following
                yield {"values": page.values, "offsets": self.progress.offsets | {str(partition): offset}}

    async def _send(self, page: dict[str, Any]) -> None:
        events = [event for value in page["values"] for event in self._again(value)]
        topic = self._topics.replay(self._request.noun)
        for start in range(0, len(events), AT_ONCE):
            part = events[start : start + AT_ONCE]
            await asyncio.gather(
                *(self._kafka.append(topic, event.aggregate, envelopes.encode(event)) for event in part)
            )
        counts = {"read": self.progress.read + len(page["values"]), "written": self.progress.written + len(events)}
        await self._keep(state="running", problem="", offsets=page["offsets"], **counts)

    def _again(self, value: bytes | None) -> Iterator[Envelope]:
        """A record's event once more, for each flow link that it is meant for. What is no event has a dead letter."""
        try:
            event = envelopes.decode(value)
        except Malformed:
            return
        for name in self._request.flow_links:
            link = self._registry.links.get(name)
            if link and self._request.wants(event, link) and (found := self._for_link(event, link)):
                yield found

    def _for_link(self, event: Envelope, link: FlowLink) -> Envelope | None:
        """None where it happened at an account of another link, or was sent to this one already: an event that only
        names its entity says the same each time.
        """
        connection = self._registry.connections.get(link.connections[trigger_alias(BUILT_IN[link.flow])])
        if connection is None or connection.app_account != event.appaccount:
            return None
        if not is_replayable(event.type):
            name = f"{self._request.id}-{event.id}"
            again = msgspec.structs.replace(
                event, id=name, connection=connection.id, origin="replay", cause=self._request.id, flowlink=link.id
            )
            return msgspec.structs.replace(again, dryrun=self._request.dry_run)
        name = f"{self._request.id}-{event.type}-{Ref.parse(event.aggregate).id}"
        if f"{name} {link.id}" in self._sent:
            return None
        self._sent.add(f"{name} {link.id}")
        now, dry = datetime.now(UTC), self._request.dry_run
        return replayed(
            event.aggregate, event.type, name, connection.id, now, self._request.id, flow_link=link.id, dry_run=dry
        )

    async def _keep(self, **changes: Any) -> None:
        self.progress = msgspec.structs.replace(self.progress, updated_at=_now(), **changes)
        await self._kafka.append(self._topics.replays, self.progress.key, replays.encode(self.progress))


def _now() -> str:
    return timestamp(datetime.now(UTC))
