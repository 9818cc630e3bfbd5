"""A worker process: its resources, its pool, its health page, and Faust around them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import faust
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared import log as logs
from shared import metrics
from shared.connections import Vault, encryption_keys
from shared.domains.model import Domain
from shared.events.topics import Topics
from shared.garbage import collect_seldom
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.linking.claims import Links
from shared.linking.pair_writes import PairWrites
from shared.private import keep_private
from shared.ratelimit import CallGate, LiveFirst, SharedLimits
from shared.ratelimit.quotas import Quotas
from shared.retries import PROBE_EVERY
from shared.runtime.actions import Implementation
from shared.runtime.clients import Clients
from shared.runtime.conflict_watch import ConflictWatch
from shared.runtime.faust_glue import Consuming, make_app
from shared.runtime.pool import Pool, Work
from shared.runtime.processor import Processor
from shared.runtime.registry import Registry
from shared.runtime.runner import Runner
from shared.runtime.stall_watchdog import StallWatchdog
from shared.runtime.stopping import stop_now
from shared.settings import Settings

log = logs.get_logger(__name__)

CHECK_EVERY = 0.25
"""Seconds between looks at the replica."""
STALLED_AFTER = 120.0
"""Seconds without progress on a partition with lag after which a worker is not ready."""


class Worker:
    """One process of a domain's service. `implementations` are its actions by name."""

    def __init__(self, domain: Domain, implementations: Mapping[str, Implementation], settings: Settings) -> None:
        self.domain = domain
        self.settings = settings
        self.name = settings.worker_id or domain.service
        self._stack = AsyncExitStack()
        self.topics = Topics(settings)
        self.app = make_app(domain, settings, self.topics)
        self.consuming = Consuming(
            self.app,
            self.topics.inputs(domain.noun),
            settings,
            pool_ready=self._wait_for_pool,
            closing=self._stack.aclose,
        )
        self._implementations = implementations
        self._booted = asyncio.Event()
        self._pool: Pool | None = None
        self._replica: Replica | None = None
        self._limits: SharedLimits | None = None
        self._live_first = LiveFirst()
        self._watchdog = StallWatchdog(settings.session_timeout / 2, _stood_still)
        self._registry = Registry()
        self.app.task(self._boot)
        self.app.task(self._watch_replica)

    def run(self) -> None:
        """Run until a signal ends it; does not return.

        A process that stood still for half the session time-out may have been replaced. It sends nothing more and
        starts again: only a new assignment tells what is its own (design law 5).
        """
        self._watchdog.start()
        worker = faust.Worker(self.app, override_logging=False, redirect_stdouts=False, quiet=True)
        worker.spinner = None  # it would write terminal codes into the log
        worker.execute_from_commandline()

    async def _wait_for_pool(self) -> Pool:
        await self._booted.wait()
        assert self._pool
        return self._pool

    async def _boot(self) -> None:
        try:
            await self._stack.enter_async_context(_HealthPage(self))
            self._pool = await self._make_pool()
        except Exception as error:
            log.critical("worker.boot_failed", error=str(error), exc_info=error)
            stop_now(f"could not start: {error}")
        self._booted.set()

    async def _make_pool(self) -> Pool:
        registry = self._registry
        vault = Vault(encryption_keys(self.settings))
        kafka = await self._stack.enter_async_context(Log(self.settings, self._watchdog.check))
        folds = registry.folds(self.topics)
        self._replica = replica = await self._stack.enter_async_context(Replica(self.settings, folds))
        await replica.wait_ready()
        limits = SharedLimits(self.settings, self.topics, self.name, Quotas(self.settings, registry.connections))
        self._limits = await self._stack.enter_async_context(limits)
        gate = CallGate(self.settings, self._limits, before_sending=self._watchdog.check, live_first=self._live_first)
        clients = await self._stack.enter_async_context(
            Clients(self.settings, registry, vault, gate, kafka, self.topics)
        )
        links = Links(kafka, replica, registry.mappings, self.topics)
        pairs = PairWrites(kafka, replica, registry.pair_states, self.topics, self.settings)
        runner = Runner(
            self.domain,
            self.settings,
            self.topics,
            registry,
            links,
            clients,
            kafka,
            self._implementations,
            self.name,
            pairs,
        )
        watch = ConflictWatch(registry.index)
        processor = Processor(self.domain, self.settings, self.topics, registry, runner, kafka, watch)
        pool = Pool(
            self._guarded(processor),
            pause=self.consuming.pause,
            resume=self.consuming.resume,
            on_fatal=lambda error: stop_now(f"{type(error).__name__}: {error}"),
            on_restart=processor.on_partitions_assigned,
            flush=kafka.flush,
            is_open=registry.is_open,
            on_held=processor.on_held,
            beside_live=self._live_first.recent,
            probe_every=PROBE_EVERY * float(self.settings.delay_scale),
        )
        registry.on_open.append(pool.opened)
        clients.outages.on_answer.append(pool.answered)
        watch.on_news.append(pool.on_news)
        registry.on_entity.append(watch.entity)
        return pool

    def _guarded(self, processor: Processor) -> Any:
        async def handle(work: Work) -> None:
            try:
                await processor.handle(work)
            finally:
                self._live_first.ended(work.lane)
            self.consuming.progress_at = time.monotonic()

        return handle

    async def _watch_replica(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY)
            if self._replica and self._replica.failed:
                stop_now(f"the replica ended: {self._replica.failed}")

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Readiness: assignment, replica and progress; never one slow entity, whose run is parked anyway."""
        pool, consuming = self._pool, self.consuming
        in_hand = sum(pool.in_hand().values()) if pool else 0
        stalled = in_hand > 0 and time.monotonic() - consuming.progress_at > STALLED_AFTER
        facts: dict[str, Any] = {
            "service": self.domain.service,
            "worker": self.name,
            "assigned": len(consuming.assignment or ()),
            "replica": bool(self._replica and self._replica.ready),
            "flow_links": sorted(link.id for link in self._registry.links.values() if link.enabled),
            "mappings": len(self._registry.mappings),
            "in_hand": in_hand,
            "oldest_seconds": round(pool.oldest(), 1) if pool else 0.0,
            "stalled": stalled,
            "fallback": self._limits.on_fallback if self._limits else [],
            "problem": consuming.problem,
        }
        rebalancing = bool(getattr(self.app, "rebalancing", False))
        ready = bool(facts["replica"] and consuming.assignment is not None and not consuming.problem and not stalled)
        return ready and not rebalancing, facts


def _stood_still(seconds: float) -> None:
    stop_now(f"stood still for {seconds:.1f} s: another worker may have the partitions by now")


class _HealthPage:
    """/healthz, /readyz and /metrics of one worker, on loopback unless the setting `host` says otherwise."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> _HealthPage:
        app = web.Application()
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._worker.settings.host, self._worker.settings.worker_port)
        await site.start()
        log.info("worker.health_page", address=[str(address) for address in self._runner.addresses])
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ready(self, _request: web.Request) -> web.Response:
        ready, facts = self._worker.health()
        return web.json_response(facts | {"ready": ready}, status=200 if ready else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        pool = self._worker._pool
        if pool:
            metrics.OLDEST_SECONDS.set(pool.oldest())
            counts: dict[str, int] = dict.fromkeys(self._worker.consuming.inputs, 0)
            for (topic, _partition), count in pool.in_hand().items():
                counts[topic] = counts.get(topic, 0) + count
            for topic, count in counts.items():
                metrics.IN_HAND.labels(topic).set(count)
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def run_service(domain: Domain, implementations: Mapping[str, Implementation]) -> None:
    """Entry point of a service's process."""
    keep_private()
    settings = Settings()
    logs.configure(settings.worker_id or domain.service, level=settings.log_level, as_json=settings.log_json)
    collect_seldom()
    Worker(domain, implementations, settings).run()
    sys.exit(0)
