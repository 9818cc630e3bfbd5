"""Waiting for an outcome by asking again, for what cannot tell by itself that it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def until(outcome: Callable[[], Awaitable[bool]], every: float) -> None:
    """Return when `outcome` is true. The caller sets the deadline."""
    while True:
        if await outcome():
            return
        await asyncio.sleep(every)
