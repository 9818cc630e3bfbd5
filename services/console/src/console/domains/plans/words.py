"""How states of plans, offers and links are shown. Pure."""

from __future__ import annotations

ALIKE = {
    "open": "running",
    "closed": "archived",
    "active": "linked",
    "paid": "done",
    "not sold": "waiting",
    "not attached": "failed",
}
"""The state whose tone each has, where it is not its own: an open one is no fault, and a closed one is at rest."""


def tone_of(state: str) -> str:
    return ALIKE.get(state, state)
