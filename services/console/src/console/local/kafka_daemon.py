"""`tandem kafka start|stop|status`: the embedded Kafka alone, detached from the terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from functools import partial

from shared.settings import Settings

from console.local import parts
from console.local.environment import environment
from console.local.errors import LocalError
from console.local.home import KAFKA, Holder, Home
from console.local.jars import fetch
from console.local.polling import until
from console.local.probe import embedded_answers
from console.local.report import Report
from console.local.supervisor import Supervisor
from console.local.up import run

COMMAND = "tandem kafka start"
PATIENCE = 90.0
STOP_PATIENCE = 30.0


def _own(settings: Settings) -> None:
    if not settings.embedded_kafka:
        raise LocalError(
            f"KAFKA_BOOTSTRAP_SERVERS is set ({settings.bootstrap_servers}): Tandem uses that Kafka and has "
            "none of its own to start or stop. Unset it to use the embedded one."
        )


async def keep(settings: Settings, report: Report) -> None:
    """Run the broker in the foreground and restart it if it dies, until SIGTERM."""
    _own(settings)
    home = Home(settings.home)
    with home.hold(KAFKA, COMMAND, settings.kafka_port):
        await run([[parts.kafka_part(settings)]], report, Supervisor(home, report, KAFKA), lambda: None)


async def start(settings: Settings, report: Report) -> Holder:
    """Start a keeper that outlives us, and return it when its broker answers.

    Raises LocalError if it does not come up; its own words are part of the message.
    """
    _own(settings)
    home = Home(settings.home)
    if running := home.holder(KAFKA):
        return running
    await fetch(partial(report.progress, "kafka"))  # here and not in the keeper, so that the progress is seen
    log = home.logs / "kafka-keeper.log"
    with log.open("w") as output:
        daemon = subprocess.Popen(  # noqa: ASYNC220 - starting takes milliseconds
            [sys.executable, "-m", "console.cli", "kafka", "run", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(settings),
            start_new_session=True,
        )

    async def up_or_gone() -> bool:
        return daemon.poll() is not None or bool(home.parts(KAFKA))

    try:
        await asyncio.wait_for(until(up_or_gone, 0.05), PATIENCE)
    except TimeoutError:
        daemon.terminate()
        raise LocalError(f"Kafka did not start within {PATIENCE:.0f} s. Look into {log} and {home.logs}.") from None
    running = home.holder(KAFKA)
    if daemon.poll() is not None or running is None:
        raise LocalError(log.read_text().strip().removeprefix("tandem: ") or f"Kafka did not start. Look into {log}.")
    return running


async def stop(settings: Settings) -> Holder | None:
    """Stop the Kafka that `start` left running; None if there is none.

    Raises LocalError if it belongs to `tandem up`, or does not end.
    """
    _own(settings)
    home = Home(settings.home)
    running = home.holder(KAFKA)
    if not running:
        return None
    if running.command != COMMAND:
        raise LocalError(
            f"This Kafka belongs to `{running.command}` (process {running.pid}). Stop that one: press Ctrl-C there, or "
            f"`kill {running.pid}`."
        )
    os.kill(running.pid, signal.SIGTERM)

    async def gone() -> bool:
        return home.holder(KAFKA) is None

    try:
        await asyncio.wait_for(until(gone, 0.05), STOP_PATIENCE)
    except TimeoutError:
        raise LocalError(f"Kafka still runs after {STOP_PATIENCE:.0f} s. `kill -9 {running.pid}` ends it.") from None
    return running


async def status(settings: Settings) -> tuple[Holder | None, bool]:
    """Who runs the embedded Kafka of this home, and whether it answers."""
    _own(settings)
    running = Home(settings.home).holder(KAFKA)
    return running, running is not None and await embedded_answers(settings.home, running.port)
