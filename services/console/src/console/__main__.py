"""The console's process: the projector and the server, until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
import sys

from granian.constants import Interfaces
from granian.server.embed import Server
from shared.errors import Misconfigured
from shared.events.topics import Topics
from shared.garbage import collect_seldom
from shared.log import configure, get_logger
from shared.private import keep_private, private_folder
from shared.settings import Settings
from shared.tasks import ended

from console.api.guard import check_locked
from console.api.hub import Hub
from console.api.lag import Lag
from console.api.state import State, Writer
from console.app import create_app
from console.projection.database import Database
from console.projection.projector import Projector

log = get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Fold and serve until SIGTERM or SIGINT. Raises Misconfigured before anything is opened."""
    check_locked(settings)
    private_folder(settings.home)
    database = Database(settings.effective_database_url, settings.topic_prefix)
    await asyncio.to_thread(database.prepare)
    hub = Hub()
    projector = Projector(settings, database, publish=hub.publish)
    async with Writer(settings) as writer:
        app = create_app(State(settings, Topics(settings), database, projector, writer, hub, Lag(settings)))
        server = Server(app, settings.host, settings.console_port, interface=Interfaces.ASGINL, log_enabled=False)

        def stop() -> None:
            # Open streams first: the server waits for its connections.
            hub.close()
            server.stop()  # type: ignore[no-untyped-call]

        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, stop)
        folding = asyncio.create_task(projector.run(), name="projector")
        log.info("console.started", address=f"http://{settings.host}:{settings.console_port}")
        try:
            await server.serve()
        finally:
            await ended(folding)
            await asyncio.to_thread(database.close)
    log.info("console.stopped")


def main() -> int:
    """Run with the settings of the environment. A wrong setting is one line and exit code 2."""
    keep_private()
    settings = Settings()
    configure("console", level=settings.log_level, as_json=settings.log_json)
    collect_seldom()
    try:
        asyncio.run(serve(settings))
    except Misconfigured as error:
        log.error("console.misconfigured", what=error.message)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
