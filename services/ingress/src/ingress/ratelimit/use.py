"""How much of an account's quota was used: what was leased in the last minute, and calls by operation. Pure."""

from __future__ import annotations

from collections import Counter, deque

MINUTE = 60.0


class Use:
    """Calls of one app account. A lease counts when it goes out; one that comes back unused does not."""

    def __init__(self) -> None:
        self._last: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._operations: Counter[str] = Counter()

    def add(self, operation: str, number: int, now: float) -> None:
        """So many calls more; -1 for a lease that came back."""
        self._last.append((now, number))
        self._sum += number
        self._operations[operation] += number
        self._forget(now)

    def last_minute(self, now: float) -> int:
        self._forget(now)
        return max(0, self._sum)

    def take(self) -> Counter[str]:
        """The calls by operation since this was asked last."""
        taken, self._operations = self._operations, Counter()
        return taken

    def _forget(self, now: float) -> None:
        while self._last and self._last[0][0] < now - MINUTE:
            self._sum -= self._last.popleft()[1]
