"""What a run would call from the write on at which a dry run ended: an estimate, as its actions declare it. Pure."""

from __future__ import annotations

from collections import Counter

from shared.domains import ACTIONS
from shared.domains.flow import Flow
from shared.domains.model import Action

LOOK_AND_WRITE = 2
"""Calls of an action that declares none: it looks before it writes."""


def calls_after(flow: Flow, step: str) -> Counter[str]:
    """By alias of the flow link's connections: the write itself, and what the steps behind it call."""
    found, reached = Counter[str](), False
    for each in flow.steps:
        action = ACTIONS[each.action]
        calls = _calls(action) if reached else {action.app: 1} if each.id == step else {}
        reached |= each.id == step
        for app, count in calls.items():
            found[each.connections.get(app, app)] += count
    return found


def _calls(action: Action) -> dict[str, int]:
    if action.calls is not None:
        return dict(action.calls)
    return {action.app: 1 if action.reads else LOOK_AND_WRITE}
