"""`python -m ingress` runs the webhook receiver, the pollers and the allocator of permits."""

from __future__ import annotations

import asyncio
import signal
import warnings
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from shared.connections import Vault, encryption_keys
from shared.events.topics import Topics
from shared.limits import Permits
from shared.registry import Registry
from shared.settings import Settings
from shared.streaming.kafka import Log
from shared.streaming.replica import Replica

from ingress.app import make_app
from ingress.limits.office import Office
from ingress.polling.pollers import Pollers
from ingress.polling.term import Tools
from ingress.webhooks import Desk
from shared import log as logs

CONNECTIONS = 8192

log = logs.get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. One process: no worker can outlive it."""
    topics, registry = Topics(settings), Registry()
    folds = registry.folds(topics, with_mappings=False)
    del folds[topics.index]  # it may be large, and webhooks need none of it: whoever polls reads it apart
    vault = Vault(encryption_keys(settings))
    async with (
        Log(settings) as kafka,
        Replica(settings, folds) as replica,
        Office(settings, topics) as office,
        Permits(settings, topics, "ingress") as permits,
        Pollers(Tools(settings, topics, kafka, registry, vault, replica, permits)) as pollers,
    ):
        desk = Desk(kafka, replica, registry, vault, topics, settings.append_timeout)
        app: Any = make_app(desk, pollers, office)
        server = Server(
            app,
            address=settings.host,
            port=settings.ingress_port,
            interface=Interfaces.ASGINL,
            websockets=False,
            log_enabled=False,
            backlog=1024,
            # Guessing the protocol would wait for ever for a connection's first byte; HTTP/1 gives it 30 s.
            http=HTTPModes.http1,
            # Connections at the same time; as many as the backlog by default, which slow senders fill.
            backpressure=CONNECTIONS,
        )
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, server.stop)
        log.info("ingress.listening", host=settings.host, port=settings.ingress_port)
        await server.serve()


def main() -> None:
    """Entry point of the process."""
    warnings.filterwarnings("ignore", message="Embedded server is experimental")
    settings = Settings()
    logs.configure("ingress", level=settings.log_level, as_json=settings.log_json)
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
