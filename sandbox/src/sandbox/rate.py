"""Rate limits: at most so many requests in any one second."""

from __future__ import annotations

import time
from collections import defaultdict, deque


class Windows:
    """Counts events per name in a sliding window."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: defaultdict[str, deque[float]] = defaultdict(deque)

    def full(self, name: str, limit: int | None, now: float | None = None) -> bool:
        """Whether the window already holds `limit` events; None never fills."""
        if limit is None:
            return False
        seen, moment = self._seen[name], time.monotonic() if now is None else now
        while seen and seen[0] <= moment - self._seconds:
            seen.popleft()
        return len(seen) >= limit

    def add(self, name: str, now: float | None = None) -> None:
        """Counts one event."""
        self._seen[name].append(time.monotonic() if now is None else now)

    def clear(self) -> None:
        """Forgets every event."""
        self._seen.clear()
