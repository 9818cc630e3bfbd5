"""How what changes at the vendors comes in, in plain words: by webhooks, by reading their lists, or both. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from shared.apps import APPS, App
from shared.polls import webhooks_come_in
from shared.settings import Mode, Settings


def span(seconds: float) -> str:
    """`15 s`, `15 min`, `2 h`: the largest unit of which it is two or more whole ones."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def sentences(settings: Settings, modes: Mapping[str, Mode]) -> tuple[str, ...]:
    """One for each vendor that is connected and polled. `modes` are by app."""
    if not settings.polling:
        return ("TANDEM_POLLING is off: what no webhook brings is not noticed",)
    return tuple(_sentence(settings, APPS[app], mode) for app, mode in modes.items() if APPS[app].polls)


def _sentence(settings: Settings, app: App, mode: Mode) -> str:
    polled = [spec for spec in app.polls if not spec.ends]
    every = span(min(app.poll_interval(spec, settings, mode) for spec in polled))
    names = " and ".join(spec.title for spec in polled)
    if not app.lists_events:
        return f"{app.title}: changes are found by reading its lists every {every}"
    if webhooks_come_in(settings):
        return f"{app.title}: webhooks come in; its list of {names} is read every {every} for what they missed"
    return f"{app.title}: TANDEM_PUBLIC_URL is not set, so its list of {names} is read every {every} ({mode})"
