"""Polling an app: which lists are read, and the narrow part of the engine that their readers use.

The engine (ingress) elects, schedules, paces and writes. A reader asks its vendor, and says what is new.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from shared.apps.receiving import SubjectOf
from shared.connections import Connection
from shared.events.envelope import Envelope
from shared.linking.index import Entity, EntityIndex
from shared.polls import Poll, PollKind, Polls, epoch, rfc3339
from shared.settings import Settings


@dataclass(frozen=True)
class Retention:
    """Seconds for which a vendor lists what happened, and the age of the last complete poll that is a warning, and an
    alarm: what happened before is lost for good.
    """

    kept: float
    warning: float
    alarm: float


@dataclass(frozen=True)
class PollSpec:
    """A list that is polled.

    - `title` names it after the app's name, as "events".
    - `fills_index`: it must have been read once before the index tells that something is not there.
    - `by_event`: it lists events, under the ids that webhooks bring too: the engine keeps the ids that are in the log.
    - `ends`: it is read once; when that is done it is never late.
    - `retention`: None for a list that shows the present state, however long nobody read it.
    """

    kind: PollKind
    title: str
    fills_index: bool = False
    by_event: bool = False
    ends: bool = False
    retention: Retention | None = None


PollOnce = Callable[[Connection, Any], Awaitable[float]]
"""Polls once with a connection and its client. Returns the seconds until the next one is due.

Raises the client's errors, Unavailable and NotReady. It must be cancellation-safe: the next poll, maybe in another
process, begins where this one did, and appends the same events under the same ids.
"""


@dataclass(frozen=True)
class Poller:
    """One loop at one app account, and the polls that it keeps."""

    polls: tuple[PollSpec, ...]
    poll_once: PollOnce


class Store(Protocol):
    """What was seen before, and where what is new is written. Its methods raise Unavailable or NotReady without Kafka.

    A reader writes events first, then entities, then its position: whoever dies in between does it again.
    """

    @property
    def index(self) -> EntityIndex:
        """Every entity that was seen."""

    @property
    def polls(self) -> Polls:
        """How far every poll is."""

    async def event(self, envelope: Envelope) -> None:
        """Append an event where a webhook's would go. Raises Refused and Malformed for one that no record can hold."""

    async def entities(self, entities: Sequence[Entity]) -> None:
        """Write entries of the index, and wait until they are in it."""

    async def upsert(self, entities: Iterable[Entity], replaces: Callable[[Entity, Entity | None], bool]) -> None:
        """Write those that replace what the index has."""

    async def poll(self, poll: Poll) -> None:
        """Write how far a poll is, and wait until it is known."""


class EventLog(Protocol):
    """Which events of the app are in the log already."""

    def require(self, since: float) -> None:
        """Have everything that was appended from `since` (epoch seconds) on."""

    async def caught_up(self) -> None:
        """Wait until everything that is in the log now has been read. Raises Unavailable without Kafka."""

    def knows(self, app_account: str, event_id: str) -> bool:
        """Whether an event is in the log, as far as it was read."""

    def take_for_known(self, app_account: str, event_id: str, created: float) -> None:
        """An event that cannot be appended, so that it is not found missing again and again."""

    def forget(self, app_account: str, before: float) -> None:
        """Drop the ids of events that happened before a time that no poll asks for any more (epoch seconds)."""


class CallBudget(Protocol):
    """The pollers' share of a quota. Every call waits for it by itself; this tells how many there are."""

    def calls_in(self, app_account: str, seconds: float) -> int:
        """How many calls fit into a stretch of time again and again; at least one."""


@dataclass(frozen=True)
class PollContext:
    """What the pollers of one app account work with. `clock` tells epoch seconds; `chosen`, what the enabled flow links
    of the app account have set an option to.
    """

    app_account: str
    settings: Settings
    store: Store
    log: EventLog
    budget: CallBudget
    subject_of: SubjectOf
    clock: Callable[[], float] = time.time
    chosen: Callable[[str], Collection[str]] = lambda _: ()


async def started_poll(context: PollContext, kind: PollKind, connection: Connection) -> Poll:
    """How far a poll is. At first sight the time from which on the app account is ours is written down: what was before
    makes no events.
    """
    poll = context.store.polls.get(context.app_account, kind)
    if not poll.since:
        made = rfc3339(min(epoch(connection.changed_at) or context.clock(), context.clock()))
        poll = msgspec.structs.replace(poll, since=made, position=made)
        await context.store.poll(poll)
    return poll
