"""The gate of a worker inside the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from shared.ratelimit import CallGate
from shared.settings import Settings

from tests.stack.points import Points


class Gate(CallGate):
    """Holds nobody, lets a test step in before a call, and passes a point before each call and one after it."""

    def __init__(self, settings: Settings, points: Points) -> None:
        super().__init__(settings)
        self.before: dict[str, Callable[[], Awaitable[None]]] = {}
        self._points = points

    @asynccontextmanager
    async def call(self, app_account: str, operation: str = "") -> AsyncIterator[None]:
        if step := self.before.pop(operation, None):
            await step()
        async with super().call(app_account, operation):
            after = self._points.begin(f"call {app_account.partition(':')[0]} {operation}")
            yield
            self._points.end(after)

    def slow_down(self, app_account: str, seconds: float, operation: str = "") -> None:
        """A test waits for no vendor."""
