"""One action of one person: what every domain's story is made of. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Action:
    """What one person does. `needs` names the units whose other side must be there first: people see it, then act."""

    number: int
    subject: str
    verb: str
    unit: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
