"""The sandbox's clock: wall time plus an advance that survives a restart.

Objects, idempotency keys, the 30-day event window and Togai's lock follow this clock. Signatures and retries follow
wall time, because the receiver compares a signature's time with its own clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Tells the sandbox's time in seconds since the epoch."""

    def __init__(self, advance: float = 0.0) -> None:
        self.advance = advance
        self._last_micros = 0

    def now(self) -> float:
        """Wall time plus what the control API advanced."""
        return time.time() + self.advance

    def micros(self) -> int:
        """Microseconds that strictly increase, so that two changes never tie."""
        self._last_micros = max(self._last_micros + 1, int(self.now() * 1_000_000))
        return self._last_micros

    def forward(self, seconds: float) -> None:
        """Moves the clock forward; raises ValueError on a step back, because created times must not go back."""
        if seconds < 0:
            raise ValueError("the clock only goes forward")
        self.advance += seconds


def rfc3339(seconds: float) -> str:
    """A time as Togai writes it: RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
