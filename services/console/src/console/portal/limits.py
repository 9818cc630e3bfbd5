"""How often mails to sign in may be asked for."""

from __future__ import annotations

from collections import OrderedDict

from aiolimiter import AsyncLimiter

ALL_ASKED, ASKED, WINDOW = 60, 3, 600.0
"""Mails in so many seconds: to everybody, and to one address."""
ADDRESSES = 10_000
"""Of so many addresses we know how often they were asked for: the latest ones are kept."""


class Limits:
    """How often mails may be asked for: nobody's postbox is filled, and no quota used up, by a page that is open."""

    def __init__(self) -> None:
        self._all = AsyncLimiter(ALL_ASKED, WINDOW)
        self._each: OrderedDict[str, AsyncLimiter] = OrderedDict()

    async def take(self, address: str) -> bool:
        """Whether one more may be asked for."""
        own = self._each.pop(address, None) or AsyncLimiter(ASKED, WINDOW)
        self._each[address] = own
        if len(self._each) > ADDRESSES:
            self._each.popitem(last=False)
        if not own.has_capacity() or not self._all.has_capacity():
            return False
        await own.acquire()
        await self._all.acquire()
        return True
