"""Whether this process stood still: stopped by a signal, or with its whole machine.

After the session time-out another worker has its partitions. Whatever it had decided before, and not yet sent, is then
late: a call that sets an old value, or a record that comes after the newer one of the other worker and stays the last.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BEAT_EVERY = 0.25
"""Seconds between beats."""


class StallWatchdog:
    """`beat` regularly, or let a thread do it with `start`; `check` right before anything is sent. `on_pause` gets for
    how many seconds nothing beat, if those are more than `limit`; it should end the process.
    """

    def __init__(
        self, limit: float, on_pause: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._on_pause = on_pause
        self._clock = clock
        self._last: float | None = None

    def start(self) -> None:
        """Beat from now on in a thread of its own: one that begins before the group is joined, and goes on while the
        loop is busy, as Kafka's heartbeats do.
        """
        self.beat()
        threading.Thread(target=self._go_on, name="stall-watchdog", daemon=True).start()

    def _go_on(self) -> None:
        while True:
            time.sleep(BEAT_EVERY)
            self.beat()

    def beat(self) -> None:
        """The process is alive; before the first beat nothing is checked."""
        self.check()
        self._last = self._clock()

    def check(self) -> None:
        """Tell `on_pause` if the last beat is too long ago."""
        if self._last is not None and (stood := self._clock() - self._last) > self._limit:
            self._on_pause(stood)
