"""How often the open pages may be asked for what costs something: mails to sign in, and sessions to pay in."""

from __future__ import annotations

from collections import OrderedDict

from aiolimiter import AsyncLimiter

ALL_ASKED, ASKED, WINDOW = 60, 3, 600.0
"""Mails in so many seconds: to everybody, and to one address."""
ALL_SESSIONS, SESSIONS = 1000, 30
"""Sessions in as many seconds: of all offers, and of one. Each is an event, a run and calls to Stripe."""
KNOWN = 10_000
"""Of so many addresses or offers we know how often they were asked for: the latest ones are kept."""


class Limits:
    """Nobody's postbox is filled, and no quota used up, by a page that is open."""

    def __init__(self, together: int = ALL_ASKED, each: int = ASKED) -> None:
        self._all = AsyncLimiter(together, WINDOW)
        self._most = each
        self._each: OrderedDict[str, AsyncLimiter] = OrderedDict()

    async def take(self, whose: str) -> bool:
        """Whether one more may be asked for."""
        own = self._each.pop(whose, None) or AsyncLimiter(self._most, WINDOW)
        self._each[whose] = own
        if len(self._each) > KNOWN:
            self._each.popitem(last=False)
        if not own.has_capacity() or not self._all.has_capacity():
            return False
        await own.acquire()
        await self._all.acquire()
        return True
