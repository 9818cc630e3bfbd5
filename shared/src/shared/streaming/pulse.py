"""Whether this process stood still: stopped by a signal, a frozen machine, a loop that was blocked.

After the session time-out another worker has its partitions. Whatever it had decided before, and not yet sent, is then
late: a call that sets an old value, or a record that comes after the newer one of the other worker and stays the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BEAT_EVERY = 0.25
"""Seconds between beats."""


class Pulse:
    """`beat` regularly, `check` right before anything is sent. `on_pause` hears for how many seconds nothing beat, if
    those are more than `limit`; it should end the process.
    """

    def __init__(
        self, limit: float, on_pause: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._on_pause = on_pause
        self._clock = clock
        self._last: float | None = None

    def beat(self) -> None:
        """The process is alive; before the first beat nothing is checked."""
        self.check()
        self._last = self._clock()

    def check(self) -> None:
        """Tell `on_pause` if the last beat is too long ago."""
        if self._last is not None and (stood := self._clock() - self._last) > self._limit:
            self._on_pause(stood)
