"""What the pollers write and what they know: events first, then entities, then positions, each confirmed by Kafka.

Between any two of these a process may die: the next one finds the older entity or position, asks the vendor again and
appends the same events under the same ids. Nothing is skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from shared.events.envelope import Envelope
from shared.events.topics import Topics
from shared.kafka.log import Log
from shared.linking import index
from shared.linking.index import Entity, EntityIndex
from shared.polls import Poll, Polls
from shared.runtime.registry import Registry

from ingress.webhooks import placed
from shared import polls

AT_ONCE = 100
"""Records of the index that are under way to Kafka at the same time."""


class Followed(Protocol):
    """What shows our own records again: the replica."""

    async def wait_for(self, topic: str, offset: int, deadline: float = 10.0) -> None:
        """Wait until a record is folded. Raises NotReady."""


class PollStore:
    """The pollers' records. Every method raises Unavailable or NotReady if Kafka is away."""

    def __init__(self, kafka: Log, topics: Topics, registry: Registry, replica: Followed) -> None:
        self._kafka = kafka
        self._topics = topics
        self._registry = registry
        self._replica = replica
        self._upserting = asyncio.Lock()

    @property
    def index(self) -> EntityIndex:
        return self._registry.index

    @property
    def polls(self) -> Polls:
        return self._registry.polls

    async def event(self, envelope: Envelope) -> None:
        """Append an event where a webhook's would go. Raises Refused and Malformed for one that no record can hold."""
        topic, record = placed(envelope, self._topics)
        await self._kafka.append(topic, envelope.aggregate, record)

    async def entities(self, entities: Sequence[Entity]) -> None:
        """Write entries of the index, and wait until they are in it."""
        topic = self._topics.index
        for start in range(0, len(entities), AT_ONCE):
            some = entities[start : start + AT_ONCE]
            places = await asyncio.gather(*(self._kafka.append(topic, e.ref, index.encode(e)) for e in some))
            await self._replica.wait_for(topic, max(place.offset for place in places))

    async def upsert(self, entities: Iterable[Entity], replaces: Callable[[Entity, Entity | None], bool]) -> None:
        """Write those that replace what the index has. One at a time: who asks sees what was written before."""
        async with self._upserting:
            await self.entities([entity for entity in entities if replaces(entity, self.index.get(entity.ref))])

    async def poll(self, poll: Poll) -> None:
        """Write how far a poller is, and wait until it is known."""
        place = await self._kafka.append(self._topics.polls, poll.key, polls.encode(poll))
        await self._replica.wait_for(self._topics.polls, place.offset)
