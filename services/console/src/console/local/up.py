"""`tandem up`: everything on this machine, in the foreground, for as long as it is wanted."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.settings import Settings

from console.local import parts
from console.local.errors import LocalError
from console.local.home import KAFKA, UP, Holder, Home
from console.local.probe import embedded_answers, require_kafka
from console.local.report import Report
from console.local.supervisor import ManagedProcess, Supervisor
from console.local.with_parent import die_with_parent

COMMAND = "tandem up"


@dataclass(frozen=True)
class Step:
    """Something that is done once between the parts. What it returns is shown; an optional one may fail."""

    name: str
    run: Callable[[], Awaitable[str | None]]
    optional: bool = False


Plan = Sequence[Sequence[ManagedProcess | Step]]
"""Stages: what stands in one starts at the same time, the next begins when all of it is ready."""


def stop_with_parent() -> None:
    """From now on the end of the process that started us (`make`) is a SIGTERM for us.

    Raises LocalError if that process is gone already.
    """
    parent = os.getppid()
    die_with_parent(signal.SIGTERM)
    # In a container `make` can be process 1 itself; an orphan is given to one in another session.
    if os.getppid() != parent or (parent == 1 and os.getsid(parent) != os.getsid(0)):
        raise LocalError("The program that started `tandem up` has ended. Start it again.")


def plan(settings: Settings, copies: Mapping[str, int], prepare: Step, kafka: ManagedProcess | Step) -> Plan:
    """Everything in the order of starting."""
    sandbox = [parts.sandbox_part(settings)] if settings.sandboxed else []
    workers = parts.worker_parts(settings, copies)
    return [[kafka, *sandbox], [prepare], [parts.ingress_part(settings), *workers, parts.console_part(settings)]]


def choose_kafka(settings: Settings, home: Home) -> ManagedProcess | Step:
    """The Kafka of the settings, the one that `tandem kafka start` left running, or one of our own.

    Raises LocalError if the running one listens elsewhere than the settings say.
    """
    if not settings.embedded_kafka:
        return Step("kafka", lambda: _theirs(settings))
    running = home.holder(KAFKA)
    if not running:
        return parts.kafka_part(settings)
    if running.port != settings.kafka_port:
        raise LocalError(
            f"Kafka of {home.folder} runs on port {running.port} (process {running.pid}), the setting is "
            f"{settings.kafka_port}. Stop it by `tandem kafka stop`, or set TANDEM_KAFKA_PORT={running.port}."
        )
    return Step("kafka", lambda: _running(settings, running))


async def _theirs(settings: Settings) -> str:
    await require_kafka(settings)
    return f"{settings.bootstrap_servers} (KAFKA_BOOTSTRAP_SERVERS)"


async def _running(settings: Settings, running: Holder) -> str:
    if not await embedded_answers(settings.home, settings.kafka_port):
        raise LocalError(f"The running Kafka (process {running.pid}) does not answer. Run `tandem kafka stop` first.")
    return f"{settings.bootstrap_servers} (started before, process {running.pid}; it stays)"


class Interrupt:
    """Ctrl-C, SIGTERM or the end of the terminal: asked once it stops, a second Ctrl-C kills."""

    def __init__(self, kill: Callable[[], None]) -> None:
        self.asked = asyncio.Event()
        self._kill = kill
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self._receive, signum)

    def _receive(self, signum: int) -> None:
        # Only a second Ctrl-C: `make` passes a SIGTERM on, and its own end sends one more.
        if self.asked.is_set() and signum == signal.SIGINT:
            self._kill()
        self.asked.set()


async def run(
    todo: Plan, report: Report, supervisor: Supervisor, up: Callable[[], None], afterwards: Step | None = None
) -> None:
    """Start what is to be started, call `up`, do what comes afterwards, and keep all running until somebody asks to
    stop.

    Raises LocalError if something does not start; whatever had started is stopped again.
    """
    interrupt = Interrupt(supervisor.kill)
    asked = asyncio.create_task(interrupt.asked.wait())
    starting = asyncio.create_task(_start(todo, report, supervisor))
    try:
        await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            up()
            if afterwards:
                starting = asyncio.create_task(_do(afterwards, report))
            await asked
        report.stopping()
    finally:
        starting.cancel()
        asked.cancel()
        await asyncio.wait({starting, asked})
        began = time.monotonic()
        await supervisor.stop()
        report.stopped(time.monotonic() - began)


async def _start(todo: Plan, report: Report, supervisor: Supervisor) -> None:
    for items in todo:
        try:
            async with asyncio.TaskGroup() as group:
                for item in items:
                    group.create_task(supervisor.start(item) if isinstance(item, ManagedProcess) else _do(item, report))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None


async def _do(step: Step, report: Report) -> None:
    report.starting(step.name)
    began = time.monotonic()
    try:
        shown = await step.run()
    except Exception as error:
        if not step.optional:
            raise
        report.note(step.name, f"failed, everything else runs: {error}")
    else:
        if shown is not None:
            report.ready(step.name, time.monotonic() - began, shown)


async def up(
    settings: Settings, copies: Mapping[str, int], report: Report, *, prepare: Step, afterwards: Step | None = None
) -> None:
    """Run Tandem on its home until it is asked to stop.

    Raises LocalError if the home is in use, a port is taken, or a part does not start.
    """
    began = time.monotonic()
    home = Home(settings.home)
    with home.hold(UP, COMMAND, settings.console_port):
        supervisor = Supervisor(home, report)
        kafka = choose_kafka(settings, home)
        todo = plan(settings, copies, prepare, kafka)
        url = parts.console_url(settings)

        def everything_runs() -> None:
            report.running(url, time.monotonic() - began)

        if isinstance(kafka, ManagedProcess):
            with home.hold(KAFKA, COMMAND, settings.kafka_port):
                await run(todo, report, supervisor, everything_runs, afterwards)
        else:
            await run(todo, report, supervisor, everything_runs, afterwards)
