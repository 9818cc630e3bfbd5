"""`python -m ingress` runs the webhook receiver, the pollers and the allocator of leases."""

from __future__ import annotations

import asyncio
import signal
import warnings
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from shared.connections import Vault, encryption_keys
from shared.events.topics import Topics
from shared.garbage import collect_seldom
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.private import keep_private
from shared.ratelimit import SharedLimits
from shared.ratelimit.quotas import Quotas
from shared.runtime.registry import Registry
from shared.setting_values import is_loopback
from shared.settings import Settings

from ingress.app import admin_app, public_app
from ingress.imports.server import ImportDeps, ImportServer
from ingress.polling.pollers import Pollers
from ingress.polling.scheduler import PollDeps
from ingress.ratelimit.allocator_server import AllocatorServer
from ingress.ratelimit.read_count import ReadCount
from ingress.webhooks import WebhookDeps
from shared import log as logs

CONNECTIONS = 8192

log = logs.get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. One process: no worker can outlive it."""
    topics, registry = Topics(settings), Registry()
    folds = registry.folds(topics, with_mappings=False, with_reads=True)
    del folds[topics.index]  # it may be large, and webhooks need none of it: whoever polls reads it apart
    vault, quotas = Vault(encryption_keys(settings)), Quotas(settings, registry.connections)
    async with (
        Log(settings) as kafka,
        Replica(settings, folds) as replica,
        AllocatorServer(settings, topics, quotas, ReadCount(kafka, topics, registry, replica)) as allocator,
        SharedLimits(settings, topics, "ingress", quotas) as limits,
        ImportServer(ImportDeps(settings, topics, kafka, registry, vault, replica, limits)),
        Pollers(PollDeps(settings, topics, kafka, registry, vault, replica, limits)) as pollers,
    ):
        deps = WebhookDeps(kafka, replica, registry, vault, topics, settings.append_timeout)
        on_loopback = is_loopback(settings.ingress_admin_host)
        admin = admin_app(deps, pollers, allocator, on_loopback=on_loopback)
        servers = [
            _server(public_app(deps), settings.host, settings.ingress_port),
            _server(admin, settings.ingress_admin_host, settings.ingress_admin_port),
        ]

        def stop() -> None:
            for server in servers:
                server.stop()

        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop)
        log.info(
            "ingress.listening", host=settings.host, port=settings.ingress_port, admin_port=settings.ingress_admin_port
        )
        await asyncio.gather(*(server.serve() for server in servers))


def _server(app: Any, host: str, port: int) -> Any:
    return Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        log_enabled=False,
        backlog=1024,
        # Guessing the protocol would wait for ever for a connection's first byte; HTTP/1 gives it 30 s.
        http=HTTPModes.http1,
        # Connections at the same time; as many as the backlog by default, which slow senders fill.
        backpressure=CONNECTIONS,
    )


def main() -> None:
    """Entry point of the process."""
    warnings.filterwarnings("ignore", message="Embedded server is experimental")
    keep_private()
    settings = Settings()
    logs.configure("ingress", level=settings.log_level, as_json=settings.log_json)
    collect_seldom()
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
