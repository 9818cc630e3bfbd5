"""How often each of many may do something: of the latest ones it is known."""

from __future__ import annotations

from collections import OrderedDict

from aiolimiter import AsyncLimiter

KNOWN = 10_000
"""Of so many names we know how often they did it: whoever did nothing for the longest time gives way."""


class Limiters:
    """One limiter for each name: so often in so many seconds."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._each: OrderedDict[str, AsyncLimiter] = OrderedDict()

    def known(self, name: str) -> AsyncLimiter | None:
        """That of a name that has done it lately."""
        return self._each.get(name)

    def of(self, name: str) -> AsyncLimiter:
        """That of a name, which is the latest one from now on."""
        found = self._each.pop(name, None) or AsyncLimiter(self._most, self._seconds)
        self._each[name] = found
        if len(self._each) > KNOWN:
            self._each.popitem(last=False)
        return found
