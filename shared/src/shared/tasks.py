"""Tasks beside aiokafka: how one is begun again after a failure, and how it is stopped.

aiokafka lets the cancellation of its own inner futures out when a broker dies: seen from `end_offsets`, that ended the
task that had asked, without a word. It also swallows cancellations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from aiokafka.errors import KafkaError

from shared.log import get_logger

log = get_logger(__name__)

T = TypeVar("T")

RESTART_AFTER = 0.5
"""Seconds before work is begun again after it ended or failed."""


class GaveUp(KafkaError):  # type: ignore[misc]
    """The Kafka client broke off a call that nobody had cancelled."""


def was_cancelled() -> bool:
    """Whether the running task was really cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def unless_cancelled(work: Awaitable[T]) -> T:
    """What the work gives. Raises GaveUp for a cancellation that nobody asked of the running task."""
    try:
        return await work
    except asyncio.CancelledError as error:
        if was_cancelled():
            raise
        raise GaveUp("the Kafka client gave up a call") from error


async def ended(task: asyncio.Task[T] | None) -> None:
    """Cancel a task until it has ended: a cancellation can be swallowed inside aiokafka."""
    while task and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)


async def once(name: str, work: Callable[[], Awaitable[None]], *, fatal: bool = False) -> None:
    """Do some work; a failure is logged. With `fatal` any error but Kafka's is raised."""
    try:
        await unless_cancelled(work())
    except KafkaError as error:
        log.warning(f"{name}.restarted", reason=repr(error))
    except Exception as error:
        if fatal:
            raise
        log.error(f"{name}.restarted", reason=repr(error), exc_info=error)


async def forever(name: str, work: Callable[[], Awaitable[None]], restart_after: float = RESTART_AFTER) -> None:
    """Do some work again and again until cancelled, also after a failure, which is logged."""
    while True:
        await once(name, work)
        await asyncio.sleep(restart_after)


class Repeated:
    """Does `work` in a task while the context lasts, again and again, also after a failure, which is logged.

    `work` looks at `stopping` at every turn of a loop of its own. With `fatal` any error but Kafka's ends it: `failed`
    tells, and `on_end` is called.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        *,
        fatal: bool = False,
        on_end: Callable[[], Awaitable[None]] | None = None,
        restart_after: float = RESTART_AFTER,
    ) -> None:
        self._name = name
        self._work = work
        self._fatal = fatal
        self._on_end = on_end
        self._restart_after = restart_after
        self._task: asyncio.Task[None] | None = None
        self.stopping = False
        self.failed: BaseException | None = None

    def start(self) -> None:
        """Begin, where nobody enters the context."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self, leave: float = 0.0) -> None:
        """End it: by itself within `leave` seconds, then by cancelling."""
        self.stopping = True
        if self._task and leave:
            await asyncio.wait([self._task], timeout=leave)
        await ended(self._task)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _run(self) -> None:
        try:
            while not self.stopping:
                await once(self._name, self._work, fatal=self._fatal)
                await asyncio.sleep(self._restart_after)
        except Exception as error:
            self.failed = error
            log.error(f"{self._name}.failed", error=str(error), exc_info=error)
        finally:
            if self._on_end:
                await self._on_end()
