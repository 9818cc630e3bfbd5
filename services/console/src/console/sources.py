"""How what changes at the vendors comes in, in plain words: by webhooks, by reading their lists, or both. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from shared.polls import stripe_interval, webhooks_come_in
from shared.settings import Mode, Settings


def span(seconds: float) -> str:
    """`15 s`, `15 min`, `2 h`: the largest unit of which it is two or more whole ones."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def sentences(settings: Settings, modes: Mapping[str, Mode]) -> tuple[str, ...]:
    """One for each vendor that is connected. `modes` are by app."""
    if not settings.polling:
        return ("TANDEM_POLLING is off: what no webhook brings is not noticed",)
    found = []
    if mode := modes.get("stripe"):
        every = span(stripe_interval(settings, mode))
        found.append(
            f"Stripe: webhooks come in; its list of events is read every {every} for what they missed"
            if webhooks_come_in(settings)
            else f"Stripe: TANDEM_PUBLIC_URL is not set, so its list of events is read every {every} ({mode})"
        )
    if "togai" in modes:
        found.append(f"Togai: changes are found by reading its lists every {span(settings.togai_poll_interval)}")
    return tuple(found)
