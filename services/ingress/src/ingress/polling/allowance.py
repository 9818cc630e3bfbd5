"""How many reads an app account has left, as the log tells: by them the pollers are slower."""

from __future__ import annotations

from shared.apps import APPS
from shared.identity import AppAccount
from shared.reads import Allowance, in_span
from shared.runtime.registry import Registry


def allowance(registry: Registry, app_account: str, now: float) -> Allowance | None:
    """Of the last 30 days; None where the vendor does not count reads."""
    name, mode, _ = AppAccount.parse(app_account)
    payments = sum(
        in_span(registry.polls.get(app_account, spec.kind).payments, now) for spec in APPS[name].polls if spec.by_event
    )
    allowed = APPS[name].reads_allowed(mode, payments)
    if allowed is None:
        return None
    reads = registry.reads.get(app_account)
    return Allowance(in_span(reads.days, now) if reads else 0, allowed)


def stretched(registry: Registry, app_account: str, seconds: float, now: float) -> float:
    """Seconds between two polls, of those that the settings say, after what was read so far."""
    found = allowance(registry, app_account, now)
    return found.interval(seconds) if found else seconds
