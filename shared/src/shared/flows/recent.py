"""What a worker remembers, bounded: the oldest is forgotten first. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

REMEMBERED = 20_000
"""Things of one kind that a worker remembers."""


class Recent(Generic[T]):
    """A set of the last `REMEMBERED` things; one that is added again stays as old as it was."""

    def __init__(self) -> None:
        self._known: OrderedDict[T, None] = OrderedDict()

    def __contains__(self, thing: T) -> bool:
        return thing in self._known

    def add(self, thing: T) -> None:
        self._known[thing] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def discard(self, thing: T) -> None:
        self._known.pop(thing, None)

    def clear(self) -> None:
        self._known.clear()
