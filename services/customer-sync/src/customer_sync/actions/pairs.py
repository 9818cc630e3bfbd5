"""What a run that came to make a pair does where it is finished already, or where only a person can decide."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.errors import Conflict
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


@asynccontextmanager
async def free_for_a_person(context: Context, source: str) -> AsyncIterator[None]:
    """Around what makes the other side of `source`: on a conflict a link that was begun is given up, for the person who
    decides must find the entity free. A worker that died may have left it.
    """
    try:
        yield
    except Conflict as conflict:
        await context.claims.give_up_link(source, conflict.message)
        raise
