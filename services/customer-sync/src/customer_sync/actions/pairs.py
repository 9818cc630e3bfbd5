"""What a finished pair means for a run that came to make it."""

from __future__ import annotations

from shared.flows.actions import Context, Ended
from shared.mappings import Mapping


def end_if_made_elsewhere(context: Context, pair: Mapping, subject: str) -> None:
    """Raises Ended if nothing is left to do for this run: a side is gone, or the pair is another event's doing.

    The run that opened the claim from the other side also writes both ids, and is tried until it has: a second writer
    would only spend calls.
    """
    if pair.state == "deleted":
        raise Ended("in_sync", f"the pair has a deleted side: {pair.reason}", pair.refs)
    if pair.source != subject and pair.run != context.run.id:
        raise Ended("in_sync", f"linked meanwhile by run {pair.run} ({pair.id})", pair.refs)
