"""Which call a run failed at, so that what was parked for a vendor's outage goes on as soon as that succeeds again.

A failure may be an entity's own: a vendor that fails at one customer for ever is no outage. It counts as one where
nobody's call of that operation has succeeded since the run began; a 429 is never an entity's own.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from shared.errors import NotPolled, RateLimited, SyncError, Unavailable

LOCKED = "lock_timeout"
"""What a vendor calls a 429 of one object that another call holds."""


@dataclass
class Calling:
    """The call that a run makes just now, or failed at; `began` is when the run began, `made` how many calls it made,
    by connection.
    """

    began: float
    name: str = ""
    made: Counter[str] = field(default_factory=Counter)


_calling: ContextVar[Calling | None] = ContextVar("calling", default=None)


class Outages:
    """One per worker. `on_answer` get the name of each call that succeeded."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answered: dict[str, float] = {}
        self.on_answer: list[Callable[[str], None]] = []

    def begin(self) -> Calling:
        """A run begins in this task."""
        made = Calling(self._clock())
        _calling.set(made)
        return made

    def called(self, connection: str, operation: str) -> None:
        """A call is sent."""
        if calling := _calling.get():
            calling.name = f"{connection} {operation}"
            calling.made[connection] += 1

    def answered(self, connection: str, operation: str) -> None:
        """A call succeeded."""
        name = f"{connection} {operation}"
        if (calling := _calling.get()) and calling.name == name:
            calling.name = ""
        self._answered[name] = self._clock()
        for tell in self.on_answer:
            tell(name)

    def cause(self, error: SyncError, calling: Calling) -> str:
        """The call, or what else, that has to succeed before a run goes on; empty where no outage kept it."""
        if isinstance(error, NotPolled):
            return error.outage
        if isinstance(error, RateLimited):
            return "" if error.reason == LOCKED else calling.name
        if not isinstance(error, Unavailable) or error.replayed:
            return ""
        return calling.name if self._answered.get(calling.name, float("-inf")) < calling.began else ""
