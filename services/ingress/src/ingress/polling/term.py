"""What the one ingress that polls does: a round for every app account that is connected, as long as it is the one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiokafka.errors import KafkaError
from shared.connections import Connection, Vault
from shared.domains import nouns
from shared.events.topics import Topics
from shared.identity import AppAccount
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.log import get_logger
from shared.polls import PollKind, stripe_interval
from shared.ratelimit import SharedLimits
from shared.runtime.clients import Clients
from shared.runtime.registry import Registry
from shared.settings import Settings
from shared.tasks import unless_cancelled

from ingress.polling.book import Book
from ingress.polling.feed import Feed
from ingress.polling.gaps import DAY, gap, level, meaning
from ingress.polling.gate import PollGate
from ingress.polling.rounds import Look, Round
from ingress.polling.stripe_customers import ASK_AGAIN, StripeCustomers
from ingress.polling.stripe_events import StripeEvents, Window
from ingress.polling.tail import Tail
from ingress.polling.togai_lists import TogaiLists
from shared import metrics

log = get_logger(__name__)

LOOK_AROUND = 0.25
"""Seconds between two looks at the connections: a new one is polled at once."""


@dataclass(frozen=True)
class Tools:
    """What the pollers work with. `registry` knows the connections as soon as `replica` is ready; the index and the
    positions are read anew by each term.
    """

    settings: Settings
    topics: Topics
    kafka: Log
    registry: Registry
    vault: Vault
    replica: Replica
    limits: SharedLimits | None = None


@dataclass
class _Work:
    """The rounds of one app account, and what its connections were when they were last told of them."""

    rounds: list[Round]
    tasks: list[asyncio.Task[None]]
    connections: tuple[tuple[str, ...], ...]


class Term:
    """One spell of polling. `problem` is why nothing is polled now, empty if something is."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._work: dict[str, _Work] = {}
        self._warned: dict[tuple[str, str], float] = {}
        self.problem = ""

    async def run(self) -> None:
        """Poll until cancelled. What ends it otherwise, an unreadable record say, is told and tried again."""
        while True:
            try:
                await unless_cancelled(self._serve())
            except KafkaError as error:
                self.problem = str(error)
                log.warning("pollers.restarted", reason=repr(error))
            except Exception as error:
                self.problem = str(error) or repr(error)
                log.error("pollers.failed", reason=self.problem, exc_info=error)
            await asyncio.sleep(min(10.0, self._tools.settings.togai_poll_interval))

    def problem_of(self, app_account: str, kind: str) -> str:
        """What is wrong with one list now."""
        work = self._work.get(app_account)
        found = [r.problem for r in work.rounds if kind in r.kinds] if work else []
        return found[0] if found else self.problem

    async def _serve(self) -> None:
        tools = self._tools
        known, gate = Registry(), PollGate(tools.settings, tools.limits)
        folds = known.folds(tools.topics, with_mappings=False)
        own = {topic: folds[topic] for topic in (tools.topics.index, tools.topics.polls)}
        async with AsyncExitStack() as stack:
            replica = await stack.enter_async_context(Replica(tools.settings, own))
            clients = await stack.enter_async_context(
                Clients(tools.settings, tools.registry, tools.vault, gate, tools.kafka, tools.topics)
            )
            # Half read, the connections may be those of long ago: an old key would close a connection.
            await tools.replica.wait_ready()
            await replica.wait_ready()
            book = Book(tools.kafka, tools.topics, known, replica)
            feed = await stack.enter_async_context(Feed(book))
            tail = await stack.enter_async_context(Tail(tools.settings, event_topics(tools.topics), feed.tell))
            stack.push_async_callback(self._stop_all)
            self.problem = ""
            while not (failed := tools.replica.failed or replica.failed or tail.failed):
                await self._look_around(book, tail, clients, gate)
                await asyncio.sleep(LOOK_AROUND)
            raise failed

    async def _look_around(self, book: Book, tail: Tail, clients: Clients, gate: PollGate) -> None:
        """Begin with new app accounts, end with those that are gone, wake those whose connections changed."""
        present: dict[str, list[Connection]] = {}
        for connection in self._tools.registry.connections.values():
            if connection.state != "removed":
                present.setdefault(connection.app_account, []).append(connection)
        for gone in self._work.keys() - present.keys():
            await _stop(self._work.pop(gone))
        for app_account, connections in present.items():
            registry = self._tools.registry
            stand = tuple(
                sorted((c.id, c.sealed, *(s.operation for s in registry.key_states.refusals(c))) for c in connections)
            )
            work = self._work.get(app_account)
            if work is None:
                rounds = list(self._rounds(app_account, book, tail, clients, gate))
                tasks = [asyncio.create_task(r.run(look), name=f"poll {app_account}") for r, look in rounds]
                self._work[app_account] = _Work([r for r, _ in rounds], tasks, stand)
            elif work.connections != stand:
                work.connections = stand
                for round_ in work.rounds:
                    round_.wake()
            self._watch_gap(app_account, book)

    def _rounds(
        self, app_account: str, book: Book, tail: Tail, clients: Clients, gate: PollGate
    ) -> Iterator[tuple[Round, Look]]:
        settings, registry = self._tools.settings, self._tools.registry
        app, mode, _ = AppAccount.parse(app_account)
        if app == "togai":
            lists = TogaiLists(app_account, book, gate, settings.togai_poll_interval)

            async def look_at_lists(connection: Connection) -> float:
                return await lists.look(await clients.of(connection.id), connection)

            kinds: tuple[PollKind, ...] = ("togai-customers", "togai-accounts")
            yield Round(app_account, kinds, settings.togai_poll_interval, registry, clients), look_at_lists
            return
        window, interval = Window.of(settings, mode), stripe_interval(settings, mode)
        events, customers = StripeEvents(app_account, book, tail, window), StripeCustomers(app_account, book)
        interval_of_pass = min(interval, ASK_AGAIN)

        async def look_at_events(connection: Connection) -> float:
            return await events.look(await clients.of(connection.id), connection)

        async def look_at_customers(connection: Connection) -> float:
            return await customers.look(await clients.of(connection.id))

        yield Round(app_account, ("stripe-events",), interval, registry, clients), look_at_events
        yield Round(app_account, ("stripe-customers",), interval_of_pass, registry, clients), look_at_customers

    def _watch_gap(self, app_account: str, book: Book) -> None:
        """The gap as a metric, and once a day as a warning while it is one."""
        if not app_account.startswith("stripe:"):
            return
        poll, now = book.polls.get(app_account, "stripe-events"), time.time()
        seconds = gap(poll, now)
        metrics.POLL_GAP_SECONDS.labels(app_account).set(seconds or 0.0)
        found = level(seconds)
        # A look may be about to close it: only one that failed tells that it stays.
        if found == "ok" or not self.problem_of(app_account, "stripe-events"):
            return
        if now - self._warned.get((app_account, found), 0.0) > DAY:
            self._warned[app_account, found] = now
            say = log.error if found == "alarm" else log.warning
            say("poll.gap", app_account=app_account, days=round((seconds or 0.0) / DAY, 1), reason=meaning(poll, now))

    async def _stop_all(self) -> None:
        for app_account in list(self._work):
            await _stop(self._work.pop(app_account))
        metrics.POLL_GAP_SECONDS.clear()


async def _stop(work: _Work) -> None:
    """End the rounds: a cancellation can be swallowed inside aiokafka."""
    for round_ in work.rounds:
        round_.stopping = True
    while left := [task for task in work.tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=1.0)


def event_topics(topics: Topics) -> list[str]:
    """Where the vendors' events stand."""
    return [*map(topics.events, nouns()), topics.other]
