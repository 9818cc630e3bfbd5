"""What a worker knows of an entity when it takes up an event, or a run that waited. Pure."""

from __future__ import annotations

from enum import Enum, auto


class Known(Enum):
    """Whether an entity has to be read before anything is decided."""

    PRESENT = auto()
    """The event itself shows the entity as it is now."""
    PRESENT_AGAIN = auto()
    """The same, but for an event that a worker may have begun before it died: what came of other entities meanwhile,
    the event does not show.
    """
    CHANGED = auto()
    """Something came since the event or the last comparison, or may have: only the vendor knows the present state."""
    UNCHANGED = auto()
    """A run waits for news of the entity, and none came since it looked last: there is nothing to look at."""


_LEAST_FIRST = (Known.CHANGED, Known.PRESENT_AGAIN, Known.PRESENT)


def not_more_than(known: Known, before: str) -> Known:
    """What is known of an event, where whoever worked on it before knew something, by its name; empty: nobody did."""
    return known if before not in Known.__members__ else min(known, Known[before], key=_LEAST_FIRST.index)
