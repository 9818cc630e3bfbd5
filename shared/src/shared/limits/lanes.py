"""Lanes: whose call goes first. The lane of a call is that of the work around it, and may change while it waits."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

Lane = Literal["live", "replay", "reconcile", "backfill"]
LANES: tuple[Lane, ...] = ("live", "replay", "reconcile", "backfill")
"""In the order in which they go first."""


@dataclass(eq=False)
class LaneOf:
    """The lane of one piece of work. Calls that wait hear of a promotion by `on_promotion`."""

    lane: Lane = "live"
    on_promotion: list[Callable[[], None]] = field(default_factory=list)

    def promote(self) -> None:
        """A live event of the same entity waits behind this work: from now on it counts as live (design law 6)."""
        if self.lane != "live":
            self.lane = "live"
            for tell in list(self.on_promotion):
                tell()


present_lane: ContextVar[LaneOf | None] = ContextVar("present_lane", default=None)
"""The lane of whatever runs now; live where nobody said otherwise."""
