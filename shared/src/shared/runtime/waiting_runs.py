"""Which run of a flow link waits for news of an entity: an import adds no second one, nor does a poll of what a webhook
brought. Pure.
"""

from __future__ import annotations

from shared.flows.runs import Run, is_sent_again

LIVE = "live"


class WaitingRuns:
    """One per worker, as far as it has seen since its partitions were assigned: of each entity the first that waits.

    A run that came live waits in place of every import's. One of an import does so for imports with the same choices,
    for it ends by its own; one of a replay for none, for it ends with its replay.
    """

    def __init__(self) -> None:
        self._of: dict[tuple[str, str, str], str] = {}

    def waits(self, run: Run, choices: str) -> None:
        """A run was parked until there is news of its entity; `choices` are those of its event."""
        if run.origin != "replay":
            self._of.setdefault((run.flow_link, run.aggregate, _whose(run, choices)), run.id)

    def ended(self, run: Run, choices: str) -> None:
        """The run waits no more, or for something else."""
        key = (run.flow_link, run.aggregate, _whose(run, choices))
        if self._of.get(key) == run.id:
            del self._of[key]

    def beside(self, run: Run, choices: str) -> str:
        """The other run of the same flow link that waits for the entity in place of this one of an import; empty if
        none does.
        """
        found = (self._of.get((run.flow_link, run.aggregate, whose), "") for whose in (LIVE, _whose(run, choices)))
        return next((each for each in found if each not in ("", run.id)), "")

    def forget(self) -> None:
        """Another worker may have gone on with them."""
        self._of.clear()


def _whose(run: Run, choices: str) -> str:
    return f"import {choices}" if is_sent_again(run) else LIVE
