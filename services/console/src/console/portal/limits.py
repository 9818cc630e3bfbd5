"""How often the open pages may be asked for what costs something: mails to sign in, and sessions to pay in."""

from __future__ import annotations

from aiolimiter import AsyncLimiter

from console.limiters import Limiters

ALL_ASKED, ASKED, WINDOW = 60, 3, 600.0
"""Mails in so many seconds: to everybody, and to one address."""
ALL_SESSIONS, SESSIONS = 1000, 30
"""Sessions in as many seconds: of all offers, and of one. Each is an event, a run and calls to Stripe."""


class Limits:
    """Nobody's postbox is filled, and no quota used up, by a page that is open."""

    def __init__(self, together: int = ALL_ASKED, each: int = ASKED) -> None:
        self._all = AsyncLimiter(together, WINDOW)
        self._each = Limiters(each, WINDOW)

    async def take(self, whose: str) -> bool:
        """Whether one more may be asked for."""
        own = self._each.of(whose)
        if not own.has_capacity() or not self._all.has_capacity():
            return False
        await own.acquire()
        await self._all.acquire()
        return True
