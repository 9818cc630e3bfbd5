"""Calls under way in one process, bounded; whoever hands out leases can see how many slots are free."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType


class ConcurrencyLimiter:
    """An async context manager around each call. `on_free` is called when a slot came free."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.on_free: list[Callable[[], None]] = []

    @property
    def free(self) -> int:
        """Slots that nobody has and nobody waits for."""
        return self._free

    def take(self) -> None:
        """Take one of the free slots now."""
        self._free -= 1

    def release(self) -> None:
        """Give a slot back: to whoever waits longest, if anybody does."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1
        for notify in self.on_free:
            notify()

    async def __aenter__(self) -> None:
        if self._free > 0:
            self.take()
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()  # the slot was given in the same moment
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
