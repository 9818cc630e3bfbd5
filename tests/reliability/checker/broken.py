"""What the checker finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Broken:
    """One thing that is not as it must be: which invariant, whose, and how."""

    invariant: str
    entity: str
    what: str
