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

Work = Callable[[], Awaitable[None]]
OnError = Callable[[Exception], float]
"""Reports why work ended, and returns the seconds until it begins again. What it raises ends the task."""

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


async def ended(*tasks: asyncio.Task[T] | None) -> None:
    """Cancel tasks until they have ended: a cancellation can be swallowed inside aiokafka."""
    while left := [task for task in tasks if task and not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=1.0)


def of_kafka(error: BaseException) -> bool:
    """Whether an error, or every error of a task group, says that Kafka is away or slow: it passes by itself."""
    if isinstance(error, BaseExceptionGroup):
        return all(of_kafka(part) for part in error.exceptions)
    return isinstance(error, (KafkaError, TimeoutError))


def restarted(name: str, restart_after: float = RESTART_AFTER) -> OnError:
    """Log `<name>.restarted`, with a traceback if it is not Kafka's; begin again after `restart_after` seconds."""

    def report(error: Exception) -> float:
        if of_kafka(error):
            log.warning(f"{name}.restarted", reason=repr(error))
        else:
            log.error(f"{name}.restarted", reason=repr(error), exc_info=error)
        return restart_after

    return report


async def attempt(work: Work, on_error: OnError, restart_after: float) -> float:
    """Do some work once. Returns the seconds until it begins again: `restart_after`, or after an error as it says."""
    try:
        await unless_cancelled(work())
    except Exception as error:
        return on_error(error)
    return restart_after


async def forever(work: Work, on_error: OnError, restart_after: float = RESTART_AFTER) -> None:
    """Do some work again and again until cancelled, also after a failure."""
    # Asked at every turn: work whose cancellation was swallowed inside aiokafka would never end.
    while not was_cancelled():
        pause = await attempt(work, on_error, restart_after)
        await asyncio.sleep(pause)
    raise asyncio.CancelledError


class Repeated:
    """Does `work` in a task while the context lasts, again and again, also after a failure, which is logged.

    `work` checks `stopping` at every turn of a loop of its own. With `fatal`, any error but Kafka's ends it: `failed`
    holds that error, and `on_end` is called.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        *,
        fatal: bool = False,
        on_end: Work | None = None,
        restart_after: float = RESTART_AFTER,
    ) -> None:
        self._name = name
        self._work = work
        self._fatal = fatal
        self._on_end = on_end
        self._restart_after = restart_after
        self._restarted = restarted(name, restart_after)
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
                pause = await attempt(self._work, self._report, self._restart_after)
                await asyncio.sleep(pause)
        except Exception as error:
            self.failed = error
            log.error(f"{self._name}.failed", error=str(error), exc_info=error)
        finally:
            if self._on_end:
                await self._on_end()

    def _report(self, error: Exception) -> float:
        if self._fatal and not of_kafka(error):
            raise error
        return self._restarted(error)
