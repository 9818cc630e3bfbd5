"""What a client calls around each call to its vendor, with the operation's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Before = Callable[[str], None]
After = Callable[[str], Awaitable[None]]


def nothing_before(operation: str) -> None:
    """Every operation may go."""


async def nothing_after(operation: str) -> None:
    """Nobody asks what succeeded."""
