"""What of a run says something about what it was for, as each domain reads it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.identity import Ref


@dataclass(frozen=True)
class Progress:
    """What of a run says something about its entity. `ran` are its steps' actions, `done` what those that ended well
    gave; `waits` is the code of what keeps it from going on.
    """

    at: str
    state: str
    ended: bool
    waits: str
    reason: str
    refs: Sequence[str]
    ran: Sequence[str]
    done: Mapping[str, Mapping[str, Any]]

    def of_kind(self, app: str, noun: str) -> str:
        """The first full ref of a kind that the run is found by; empty for none."""
        refs = [ref for ref in self.refs if ref.startswith(f"{app}:") and ref.count("/") >= 2]
        return next((ref for ref in refs if Ref.parse(ref).noun == noun), "")
