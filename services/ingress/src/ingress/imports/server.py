"""Imports and replays that a person asked the console for: the one ingress that is elected runs them, side by side."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from shared.connections import Vault
from shared.events.topics import Topics
from shared.flows.imports import ImportRequest, Imports
from shared.flows.replays import ReplayRequest, Replays
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.log import get_logger
from shared.ratelimit import CallGate, SharedLimits, WorkPriority
from shared.runtime.clients import Clients
from shared.runtime.registry import Registry
from shared.settings import Settings
from shared.tasks import ended, forever, restarted

from ingress.imports.importer import importer_of
from ingress.leader import Election, Leader, LeaderTask
from ingress.replays.reader import EventReader
from ingress.replays.replayer import Replayer
from shared import metrics

log = get_logger(__name__)

GROUP = "ingress-imports"
CHECK_EVERY = 0.25
"""Seconds between two checks for new requests."""


@dataclass(frozen=True)
class ImportDeps:
    """What imports work with. `registry` knows the connections as soon as `replica` is ready."""

    settings: Settings
    topics: Topics
    kafka: Log
    registry: Registry
    vault: Vault
    replica: Replica
    limits: SharedLimits | None = None


def gate_of(settings: Settings, limits: SharedLimits | None) -> CallGate:
    """Whose calls go behind everything else."""
    return CallGate(settings, limits, lane=WorkPriority("backfill"))


class ImportServer(LeaderTask):
    """Runs while the context does."""

    def __init__(self, deps: ImportDeps) -> None:
        self._deps = deps
        topics, settings = deps.topics, deps.settings
        election = Election(
            "imports", topics.group(GROUP), topics.imports, metrics.IMPORT_LEADER, settings.session_timeout
        )
        self._leader = Leader(settings, election, partial(forever, self._serve, restarted("imports")))

    async def _serve(self) -> None:
        deps, known, replays = self._deps, Imports(), Replays()
        folds = {deps.topics.imports: known.apply, deps.topics.replays: replays.apply}
        async with AsyncExitStack() as stack:
            replica = await stack.enter_async_context(Replica(deps.settings, folds))
            gate = gate_of(deps.settings, deps.limits)
            clients = await stack.enter_async_context(
                Clients(deps.settings, deps.registry, deps.vault, gate, deps.kafka, deps.topics)
            )
            await deps.replica.wait_ready()
            await replica.wait_ready()
            tasks: dict[str, asyncio.Task[None]] = {}
            stack.push_async_callback(_end, tasks)
            while not (failed := replica.failed or deps.replica.failed):
                for request in known.open():
                    if is_ours(request) and request.id not in tasks:
                        tasks[request.id] = asyncio.create_task(self._run(request, known, clients))
                for replay in replays.open():
                    if replay.wanted != "pause" and replay.id not in tasks:
                        tasks[replay.id] = asyncio.create_task(self._replay(replay, replays))
                for done in [name for name, task in tasks.items() if task.done()]:
                    tasks.pop(done).result()
                await asyncio.sleep(CHECK_EVERY)
            raise failed

    async def _run(self, request: ImportRequest, known: Imports, clients: Clients) -> None:
        deps = self._deps
        progress, wanted = known.progress.get(request.id), partial(known.wanted, request.id)
        importer = importer_of(request, progress, deps.settings, deps.registry, clients, deps.kafka, wanted)
        await importer.run()
        known.progress[request.id] = importer.progress

    async def _replay(self, request: ReplayRequest, known: Replays) -> None:
        deps, wanted = self._deps, partial(known.wanted, request.id)
        progress, reader = known.progress.get(request.id), partial(EventReader, deps.settings)
        replayer = Replayer(request, progress, reader, deps.registry, deps.kafka, deps.topics, wanted)
        await replayer.run()
        known.progress[request.id] = replayer.progress


def is_ours(request: ImportRequest) -> bool:
    """Whether ingress runs it. One of a person in the foreground it only ends: nobody may be there to be cancelled."""
    return request.wanted == "cancel" if request.runner else request.wanted != "pause"


async def _end(tasks: dict[str, asyncio.Task[None]]) -> None:
    await ended(*tasks.values())
