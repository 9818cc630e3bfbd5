"""Which copy of a parked run is the last one.

A worker that dies between a parking and its acknowledgement parks the run once more when it is back. A run that waits
for days would have more copies with every death, and each of them would look and be parked for itself. Pure.
"""

from __future__ import annotations

from shared.flows.recent import Recent
from shared.flows.runs import Run


class ParkedRunDedup:
    """One per worker. It speaks of what this worker did itself since its partitions were assigned."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._ended = Recent[str]()

    def parked(self, run: Run) -> None:
        """A copy stands in the log: none before it is needed any more. A run that a person restarted goes on."""
        self._ended.discard(run.id)
        self._last[run.id] = max(self._last.get(run.id, 0), run.parked)

    def ended(self, run: Run) -> None:
        """The run came to an end: no copy is needed any more."""
        self._last.pop(run.id, None)
        self._ended.add(run.id)

    def take(self, run: Run) -> bool:
        """Whether this copy is to be worked on: False if a later one stands in the log, or the run ended."""
        if run.id in self._ended or run.parked < self._last.get(run.id, 0):
            return False
        self._last.pop(run.id, None)
        return True

    def forget(self) -> None:
        """Another worker may have gone on with them."""
        self._last.clear()
        self._ended.clear()
