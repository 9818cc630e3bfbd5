"""How states of invoices are shown. Pure."""

from __future__ import annotations

ALIKE = {"open": "waiting", "draft": "waiting", "partly paid": "waiting", "paid": "done"}
"""The state whose tone each has, where it is not its own: an open one is no fault, as an open dead letter is."""


def tone_of(state: str) -> str:
    return ALIKE.get(state, state)
