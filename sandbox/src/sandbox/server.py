"""Running the sandbox in one process, with no worker to be orphaned."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from sandbox.app import make_app
from sandbox.mail import listen
from sandbox.seeds import open_world

log = logging.getLogger(__name__)


async def serve(host: str, port: int, mail_port: int, state: Path) -> None:
    """Serves until SIGTERM or SIGINT; raises OSError when a port is taken. Port 0 for mails: none are taken."""
    world = open_world(state)
    mail = await listen(world, host, mail_port) if mail_port else None
    app = make_app(world)
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_level=LogLevels.error,
        backlog=1024,
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        world.stopping.set()
        server.stop()  # type: ignore[no-untyped-call]

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    log.info("sandbox on http://%s:%d, state in %s", host, port, state)
    await server.serve()
    if mail:
        mail.close()


def run(host: str, port: int, mail_port: int, state: Path) -> None:
    """Serves in a new event loop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(serve(host, port, mail_port, state))
