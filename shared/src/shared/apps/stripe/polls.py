"""Which of Stripe's lists are polled, and how often."""

from __future__ import annotations

from shared.apps.polling import PollSpec, Retention
from shared.polls import webhooks_come_in
from shared.settings import Settings

DAY = 24 * 3600.0
EVENTS_KEPT = 30 * DAY
"""Seconds for which Stripe lists its events (Stripe's documentation of `GET /v1/events`)."""
ASK_AGAIN = 60.0
"""Seconds between two questions whether a pass over the customers is due: one is again when events were lost."""


CUSTOMERS = PollSpec("stripe-customers", "customers", fills_index=True, ends=True)
EVENTS = PollSpec(
    "stripe-events",
    "events",
    fills_index=True,
    by_event=True,
    retention=Retention(EVENTS_KEPT, warning=20 * DAY, alarm=27 * DAY),
)


def events_interval(settings: Settings, mode: str) -> float:
    """Seconds between two polls of the events: seldom where webhooks bring them anyway."""
    if settings.stripe_poll_interval:
        return settings.stripe_poll_interval
    if webhooks_come_in(settings):
        return 900.0
    return 15.0 if mode == "test" else 600.0
