"""A dry run of a run: the same rules decide, and the first write that follows ends it instead of being made.

Whoever writes for a run asks `end_if_dry` first: claims and mappings, pair states, events, and the vendors' clients.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Literal

What = Literal["new", "linked", "changed"]
"""What would be done: the other side is made, one that is there is linked, or a linked pair is written."""

is_dry: ContextVar[bool] = ContextVar("is_dry", default=False)
"""Whether the run of this task writes nothing."""


class WouldWrite(Exception):
    """A dry run has come to its first write. No SyncError: nobody who mends errors may take it for one."""

    def __init__(self, what: What, how: str, refs: tuple[str, ...] = ()) -> None:
        super().__init__(how)
        self.what = what
        self.how = how
        self.refs = refs


def end_if_dry(what: What, how: str, *refs: str) -> None:
    """Raises WouldWrite in a dry run: `how` says in words what would be done."""
    if is_dry.get():
        raise WouldWrite(what, how, tuple(ref for ref in refs if ref))
