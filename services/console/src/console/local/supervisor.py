"""Starts parts in order, keeps them running, stops them in reverse order. Parts are data."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from console.local.child import Child
from console.local.errors import LocalError
from console.local.home import UP, Home, RunningPart, now
from console.local.jars import Progress
from console.local.ports import claim
from console.local.probe import url_answers
from console.local.report import Report

BACK_OFF = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY = 60.0  # so long ready, and the next death starts with the shortest wait again
GLANCE = 0.05
Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Port:
    """A port that a part listens on, and the setting that moves it."""

    number: int
    setting: str
    host: str = "127.0.0.1"


@dataclass(frozen=True)
class ManagedProcess:
    """A process to keep running. `ready` is an address that answers 2xx, or a question; `before` runs ahead of it.
    `pages` is where its own pages are, if not at `at`.
    """

    name: str
    command: Callable[[], Sequence[str]]
    ready: str | Probe
    at: str
    pages: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    ports: Sequence[Port] = ()
    before: Callable[[Progress], Awaitable[None]] | None = None
    ready_timeout: float = 60.0
    stop_timeout: float = 10.0


class Supervisor:
    """Runs parts for one home. A part that dies in its first start is an error, later it is restarted."""

    def __init__(self, home: Home, report: Report, what: str = UP, back_off: Sequence[float] = BACK_OFF) -> None:
        self._home, self._report, self._what, self._back_off = home, report, what, back_off
        self._tasks: dict[str, tuple[ManagedProcess, asyncio.Task[None]]] = {}
        self._children: dict[str, Child] = {}
        self._running: dict[str, RunningPart] = {}

    async def start(self, part: ManagedProcess) -> None:
        """Start a part and return when it is ready.

        Raises LocalError with its last words if it ends before, or is not ready in time.
        """
        self._report.starting(part.name)
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._keep(part, first), name=part.name)
        self._tasks[part.name] = part, task
        await asyncio.wait({task, first}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task

    async def _keep(self, part: ManagedProcess, first: asyncio.Future[None]) -> None:
        deaths = 0
        while True:
            try:
                child = await self._bring_up(part, again=first.done())
            except (LocalError, OSError) as error:
                if not first.done():
                    raise
                reason = str(error)
            else:
                if not first.done():
                    first.set_result(None)
                was_ready = time.monotonic()
                await child.ended()
                reason = child.exit_reason
                deaths = 0 if time.monotonic() - was_ready > STEADY else deaths
            await self._kill_rest(part)
            wait = self._back_off[min(deaths, len(self._back_off) - 1)]
            deaths += 1
            self._report.died(part.name, reason, wait, str(self._home.logs / f"{part.name}.log"))
            await asyncio.sleep(wait)

    async def _bring_up(self, part: ManagedProcess, again: bool) -> Child:
        began = time.monotonic()
        for port in part.ports:
            await claim(port.number, part.name, port.setting, port.host)
        if part.before:
            await part.before(lambda done, total: self._report.progress(part.name, done, total))
        child = self._children[part.name] = Child(
            part.command(), self._home.logs / f"{part.name}.log", env=part.env or None
        )
        while not await self._is_ready(part):
            if not child.alive:
                raise LocalError(self._last_words(part, child, child.exit_reason))
            if time.monotonic() - began > part.ready_timeout:
                reason = f"was not ready within {part.ready_timeout:.0f} s"
                raise LocalError(self._last_words(part, child, reason))
            await asyncio.sleep(GLANCE)
        self._report.ready(part.name, time.monotonic() - began, part.at, again)
        self._running[part.name] = RunningPart(
            part.name, child.pid, part.at, now(), str(child.log), part.pages or part.at
        )
        self._announce()
        return child

    async def _is_ready(self, part: ManagedProcess) -> bool:
        return await url_answers(part.ready) if isinstance(part.ready, str) else await part.ready()

    def _last_words(self, part: ManagedProcess, child: Child, reason: str) -> str:
        said = "".join(f"\n    {line}" for line in child.last_words()[-5:])
        return f"{part.name} {reason}. Its whole log is {child.log}; it ends with:{said or ' nothing'}"

    async def _kill_rest(self, part: ManagedProcess) -> None:
        """Nothing of a dead part may hold its port when it starts again."""
        if child := self._children.pop(part.name, None):
            await child.kill()
        self._running.pop(part.name, None)
        self._announce()

    async def stop(self) -> None:
        """Stop every part, the last one first, each within its own time."""
        for name, (part, task) in reversed(self._tasks.items()):
            task.cancel()
            await asyncio.wait({task})
            if child := self._children.get(name):
                await child.stop(part.stop_timeout)  # in reach of `kill` until it has ended
                del self._children[name]
            self._running.pop(name, None)
        self._tasks.clear()
        self._announce()

    def _announce(self) -> None:
        self._home.write_parts(self._what, [*self._running.values()])

    def kill(self) -> None:
        """SIGKILL to every part at once; `stop` still has to be awaited and is quick then."""
        for child in self._children.values():
            child.send(signal.SIGKILL)
