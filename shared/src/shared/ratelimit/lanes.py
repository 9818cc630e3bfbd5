"""Lanes: whose call goes first. The lane of a call is that of the work around it, and may change while it waits.

In a lane the call of the older work goes first, not the older call: work that was begun comes to its end before other
work begins. If calls took turns instead, a thousand events would all end at the same late moment, and a worker that
dies before it would have ended none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

Lane = Literal["live", "replay", "reconcile", "backfill"]
LANES: tuple[Lane, ...] = ("live", "replay", "reconcile", "backfill")
"""In the order in which they go first."""
LIVE = LANES[0]
EXPECTED_FOR = 60.0
"""Seconds after a live call for which others are likely to follow, and room is kept for them."""


_numbers = count()


@dataclass(eq=False)
class WorkPriority:
    """The lane of one piece of work. Calls that wait receive of a promotion by `on_promotion`. `age` is smaller the
    earlier this process came to know of the work. `initial_lane` is the lane before any promotion. `on_call` is called
    with True when the work goes to a vendor, and with False when it is back.
    """

    lane: Lane = "live"
    age: int = field(default_factory=lambda: next(_numbers))
    on_promotion: list[Callable[[], None]] = field(default_factory=list)
    on_call: Callable[[bool], None] = lambda at_vendor: None
    initial_lane: Lane = field(init=False)

    def __post_init__(self) -> None:
        self.initial_lane = self.lane

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Around each call to a vendor: a piece of work makes one at a time."""
        self.on_call(True)
        try:
            yield
        finally:
            self.on_call(False)

    def promote(self) -> None:
        """A live event of the same entity waits behind this work: from now on it counts as live (design law 6)."""
        if self.lane != "live":
            self.lane = "live"
            for notify in list(self.on_promotion):
                notify()


present_lane: ContextVar[WorkPriority | None] = ContextVar("present_lane", default=None)
"""The lane of whatever runs now; live where nobody said otherwise."""
