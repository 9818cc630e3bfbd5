"""Which lane goes next: live takes all but a small share, the rest shares that, and who wants nothing gives its share
away. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.ratelimit.lanes import Lane

OTHERS: Mapping[str, float] = {"replay": 6, "reconcile": 3, "backfill": 1}
"""In this order, and none of them ever starves."""


class Stride:
    """Stride scheduling: each name is picked in proportion to its weight among those that want to be."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._strides = {name: 1 / weight for name, weight in weights.items()}
        self._at = dict.fromkeys(weights, 0.0)
        self._now = 0.0
        self._wanted: frozenset[str] = frozenset()

    def next(self, wanting: Collection[str]) -> str:
        """Who is next, of at least one. Who wanted nothing for a while has saved nothing up."""
        for name in wanting:
            if name not in self._wanted:
                self._at[name] = max(self._at[name], self._now)
        self._wanted = frozenset(wanting)
        name = min(wanting, key=self._at.__getitem__)
        self._now = self._at[name]
        self._at[name] += self._strides[name]
        return name


class Shares:
    """The lanes of one app account."""

    def __init__(self, background: float) -> None:
        self._live = Stride({"live": 1 - background, "others": background})
        self._others = Stride(OTHERS)

    def next(self, wanting: Collection[Lane]) -> Lane:
        """The lane of the next lease, of at least one that wants it."""
        others = [lane for lane in wanting if lane != "live"]
        names = (["live"] if "live" in wanting else []) + (["others"] if others else [])
        if self._live.next(names) == "live":
            return "live"
        return self._others.next(others)  # type: ignore[return-value]  # names of lanes are lanes
