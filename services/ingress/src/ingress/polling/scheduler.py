"""What the ingress that is elected to poll does: the loops of every app account that is connected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from shared.apps import APPS
from shared.apps.polling import PollContext, PollOnce, PollSpec
from shared.connections import Connection, Vault
from shared.domains import nouns, subject_of
from shared.events.topics import Topics
from shared.identity import AppAccount
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.log import get_logger
from shared.polls import Poll
from shared.ratelimit import SharedLimits
from shared.runtime.clients import Clients
from shared.runtime.registry import Registry
from shared.settings import Settings
from shared.tasks import ended, forever, of_kafka

from ingress.polling.allowance import allowance, stretched
from ingress.polling.event_log_index import EventLogIndex
from ingress.polling.gaps import DAY, gap, level, meaning
from ingress.polling.gate import PollGate
from ingress.polling.index_writer import IndexWriter
from ingress.polling.loop import PollLoop
from ingress.polling.store import PollStore
from shared import metrics

log = get_logger(__name__)

CHECK_EVERY = 0.25
"""Seconds between two checks of the connections: a new one is polled at once."""
AGAIN_AFTER, SELDOM_AFTER = 1.0, 10.0
"""Seconds after which polling begins again that Kafka ended, or something that will hardly pass by itself: each time
the whole index is read.
"""


@dataclass(frozen=True)
class PollDeps:
    """What the pollers work with. `registry` knows the connections as soon as `replica` is ready; the index and the
    positions are read again at each election.
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
    """The loops of one app account; its connections, and the time of the last requested poll (epoch seconds), as the
    loops were last notified of them.
    """

    loops: list[PollLoop]
    tasks: list[asyncio.Task[None]]
    connections: tuple[tuple[str, ...], ...]
    poll_requested: float


class PollScheduler:
    """Polls as long as this process is elected. `problem` is why nothing is polled now, empty if something is."""

    def __init__(self, deps: PollDeps) -> None:
        self._deps = deps
        self._work: dict[str, _Work] = {}
        self._warned: dict[tuple[str, str], float] = {}
        self.problem = ""

    async def run(self) -> None:
        """Poll until cancelled. An error, an unreadable record say, is reported, and polling begins again."""
        await forever(self._serve, self._failed)

    def _failed(self, error: Exception) -> float:
        """Log why polling ended. Returns the seconds until it begins again."""
        self.problem = str(error) or repr(error)
        if of_kafka(error):
            log.warning("pollers.restarted", reason=repr(error))
            return AGAIN_AFTER
        log.error("pollers.failed", reason=self.problem, exc_info=error)
        return SELDOM_AFTER

    def problem_of(self, app_account: str, kind: str) -> str:
        """What is wrong with one list now."""
        work = self._work.get(app_account)
        found = [loop.problem for loop in work.loops if kind in loop.kinds] if work else []
        return found[0] if found else self.problem

    async def _serve(self) -> NoReturn:
        deps = self._deps
        known, gate = Registry(), PollGate(deps.settings, deps.limits)
        folds = known.folds(deps.topics, with_mappings=False)
        own = {topic: folds[topic] for topic in (deps.topics.index, deps.topics.polls)}
        async with AsyncExitStack() as stack:
            replica = await stack.enter_async_context(Replica(deps.settings, own))
            clients = await stack.enter_async_context(
                Clients(deps.settings, deps.registry, deps.vault, gate, deps.kafka, deps.topics)
            )
            # Half read, the connections may be those of long ago: an old key would close a connection.
            await deps.replica.wait_ready()
            await replica.wait_ready()
            store = PollStore(deps.kafka, deps.topics, known, replica)
            gate.requested = known.awaits_poll
            writer = await stack.enter_async_context(IndexWriter(store))
            event_log = await stack.enter_async_context(
                EventLogIndex(deps.settings, event_topics(deps.topics), writer.offer)
            )
            stack.push_async_callback(self._stop_all)
            self.problem = ""
            while not (failed := deps.replica.failed or replica.failed or event_log.failed):
                await self._check_connections(store, event_log, clients, gate)
                await asyncio.sleep(CHECK_EVERY)
            raise failed

    async def _check_connections(
        self, store: PollStore, event_log: EventLogIndex, clients: Clients, gate: PollGate
    ) -> None:
        """Begin with new app accounts, end with those that are gone, wake those whose connections changed, and those at
        which somebody requested a poll.
        """
        present: dict[str, list[Connection]] = {}
        for connection in self._deps.registry.connections.values():
            if connection.state != "removed":
                present.setdefault(connection.app_account, []).append(connection)
        for gone in self._work.keys() - present.keys():
            await _stop(self._work.pop(gone))
        for app_account, connections in present.items():
            registry = self._deps.registry
            state = tuple(
                sorted((c.id, c.sealed, *(s.operation for s in registry.key_states.refusals(c))) for c in connections)
            )
            work, wanted = self._work.get(app_account), store.polls.poll_requested(app_account)
            if work is None:
                loops = list(self._loops(app_account, store, event_log, clients, gate))
                tasks = [asyncio.create_task(loop.run(once), name=f"poll {app_account}") for loop, once in loops]
                self._work[app_account] = _Work([loop for loop, _ in loops], tasks, state, wanted)
            elif (work.connections, work.poll_requested) != (state, wanted):
                work.connections, work.poll_requested = state, wanted
                for loop in work.loops:
                    loop.wake()
            self._watch_gaps(app_account, store)

    def _loops(
        self, app_account: str, store: PollStore, event_log: EventLogIndex, clients: Clients, gate: PollGate
    ) -> Iterator[tuple[PollLoop, PollOnce]]:
        settings, registry = self._deps.settings, self._deps.registry
        name, mode, _ = AppAccount.parse(app_account)
        app = APPS[name]
        chosen = partial(registry.chosen, app_account)
        context = PollContext(app_account, settings, store, event_log, gate, subject_of, chosen=chosen)

        def slower(seconds: float) -> float:
            return stretched(registry, app_account, seconds, time.time())

        for poller in app.pollers_of(context):
            kinds = tuple(spec.kind for spec in poller.polls)
            interval = min(app.poll_interval(spec, settings, mode) for spec in poller.polls)
            yield PollLoop(app_account, kinds, interval, registry, clients, slower), poller.poll_once

    def _watch_gaps(self, app_account: str, store: PollStore) -> None:
        """Reads and gaps as metrics, and a gap once a day as a warning while it is one."""
        app, now = APPS[app_account.partition(":")[0]], time.time()
        if left := allowance(self._deps.registry, app_account, now):
            metrics.READS.labels(app_account, "used").set(left.used)
            metrics.READS.labels(app_account, "allowed").set(left.allowed)
        for spec in app.polls:
            if spec.retention:
                poll = store.polls.get(app_account, spec.kind)
                seconds = gap(spec, poll, now)
                metrics.POLL_GAP_SECONDS.labels(app_account).set(seconds or 0.0)
                # A poll may be about to close it: only one that failed tells that it stays.
                if level(spec, seconds) != "ok" and self.problem_of(app_account, spec.kind):
                    self._warn(spec, f"{app.title}'s {spec.title}", poll, now)

    def _warn(self, spec: PollSpec, what: str, poll: Poll, now: float) -> None:
        seconds = gap(spec, poll, now) or 0.0
        found = level(spec, seconds)
        if now - self._warned.get((poll.key, found), 0.0) > DAY:
            self._warned[poll.key, found] = now
            say = log.error if found == "alarm" else log.warning
            reason = meaning(spec, what, poll, now)
            say("poll.gap", app_account=poll.app_account, days=round(seconds / DAY, 1), reason=reason)

    async def _stop_all(self) -> None:
        for app_account in list(self._work):
            await _stop(self._work.pop(app_account))
        metrics.POLL_GAP_SECONDS.clear()
        metrics.READS.clear()


async def _stop(work: _Work) -> None:
    for loop in work.loops:
        loop.stopping = True
    await ended(*work.tasks)


def event_topics(topics: Topics) -> list[str]:
    """Where the vendors' events are."""
    return [*map(topics.events, nouns()), topics.other]
