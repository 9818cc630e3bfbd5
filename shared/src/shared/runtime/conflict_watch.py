"""Which runs in conflict look again when the index has news of their candidates.

A conflict is about an address. Whoever gets or loses it, at either side, changes what there is to choose from, and no
event of the waiting entity tells of that; the pollers' index does. Pure.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import NamedTuple

from shared.flows.recent import REMEMBERED
from shared.flows.runs import Run
from shared.linking.index import Entity, EntityIndex


class _Waiting(NamedTuple):
    aggregate: str
    names: frozenset[str]


class ConflictWatch:
    """One per worker. `on_news` are called with an aggregate whose waiting runs have to look again."""

    def __init__(self, index: EntityIndex, clock: Callable[[], float] = time.time) -> None:
        self._index = index
        self._clock = clock
        self._runs: dict[str, _Waiting] = {}
        self._by_name: dict[str, set[str]] = defaultdict(set)
        self._news: OrderedDict[str, float] = OrderedDict()
        self.on_news: list[Callable[[str], None]] = []

    def entity(self, before: Entity | None, now: Entity) -> None:
        """An entity is another than it was, as the index shows it: by its ref, its former and its present address."""
        if before and (before.state, before.email) == (now.state, now.email):
            return
        names = {now.ref, now.email, before.email if before else ""} - {""}
        for name in names:
            self._news[name] = self._clock()
            self._news.move_to_end(name)
            if len(self._news) > REMEMBERED:
                self._news.popitem(last=False)
        runs = {run for name in names for run in self._by_name.get(name, ())}
        self.announce({self._runs[run].aggregate for run in runs})

    def waits(self, run: Run, since: float) -> None:
        """A run was parked in conflict. What came after it began to look (`since`, epoch seconds) it has not seen."""
        self.ended(run)
        if run.problem is None or not run.problem.candidates:
            return
        refs = {run.aggregate, *run.problem.candidates}
        emails = {known.email for ref in refs if (known := self._index.get(ref)) and known.email}
        self._runs[run.id] = waiting = _Waiting(run.aggregate, frozenset(refs | emails))
        for name in waiting.names:
            self._by_name[name].add(run.id)
        if any(self._news.get(name, float("-inf")) >= since for name in waiting.names):
            self.announce({run.aggregate})

    def ended(self, run: Run) -> None:
        """The run waits no more, or for something else."""
        waiting = self._runs.pop(run.id, None)
        for name in waiting.names if waiting else ():
            self._by_name[name].discard(run.id)
            if not self._by_name[name]:
                del self._by_name[name]

    def forget(self) -> None:
        """Partitions were assigned: whoever waits looks again, and says so once more."""
        self._runs.clear()
        self._by_name.clear()

    def announce(self, aggregates: set[str]) -> None:
        """There is news of these that no event tells of: what waits for them looks again."""
        for aggregate in sorted(aggregates):
            for tell in self.on_news:
                tell(aggregate)
