"""Which run of a flow link waits for news of an entity: an import adds no second one. Pure."""

from __future__ import annotations

from shared.flows.runs import Run


class WaitingRuns:
    """One per worker, as far as it has seen since its partitions were assigned: of each entity the first that waits."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], str] = {}

    def waits(self, run: Run) -> None:
        """A run was parked until there is news of its entity."""
        self._of.setdefault((run.flow_link, run.aggregate), run.id)

    def ended(self, run: Run) -> None:
        """The run waits no more, or for something else."""
        if self._of.get((run.flow_link, run.aggregate)) == run.id:
            del self._of[run.flow_link, run.aggregate]

    def beside(self, run: Run) -> str:
        """The other run of the same flow link that waits for the entity; empty if none does."""
        found = self._of.get((run.flow_link, run.aggregate), "")
        return "" if found == run.id else found

    def forget(self) -> None:
        """Another worker may have gone on with them."""
        self._of.clear()
