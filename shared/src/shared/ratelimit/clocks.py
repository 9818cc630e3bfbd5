"""When something was by another process's clock, in one's own: from the messages alone. Pure.

A message shows by how much two clocks differ, plus how long it was on its way. The quickest one shows it best: with its
difference a time is never taken for earlier than it was, and for little later, however slow the other messages are.
"""

from __future__ import annotations

KEPT = 10.0
"""The quickest of the last `KEPT` to twice as many seconds counts, three times as many where there was a pause: after
these a clock that jumped is trusted again.
"""
DRIFT = 0.0005
"""So many seconds a second two clocks may go apart. Source: 500 ppm is the most that Linux slews one, adjtimex(2)."""


class OtherClock:
    """The clock of one process that sends messages, each with the time there."""

    def __init__(self) -> None:
        self._least = self._before = float("inf")
        self._since = float("-inf")

    def here(self, at: float | None, now: float) -> float:
        """When it was `at` there, by a message that comes `now`: not before it was, not after `now`.

        A message without a time was sent now, for all that is known.
        """
        if at is None:
            return now
        if now - self._since >= KEPT:
            self._before = self._least if now - self._since < 2 * KEPT else float("inf")
            self._least, self._since = float("inf"), now
        self._least = min(self._least, now - at - DRIFT * now)
        return min(now, at + min(self._before, self._least) + DRIFT * now)
