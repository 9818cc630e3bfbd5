"""One Stripe account in memory and its pollers, for tests of what they find."""

from __future__ import annotations

from typing import Any

import msgspec
from ingress.polling.stripe_customers import StripeCustomers
from ingress.polling.stripe_events import StripeEvents, Window
from shared.apps.stripe.webhooks import stripe_event
from shared.domains import subject_of

from tests.fakes.polling import NOW, STRIPE, Clock, FakeStripe, Memory, MemoryTail, connection

POLLING_ONLY = Window(interval=15, overlap=900, grace=0)
HOOKED = Window(interval=900, overlap=900, grace=120)
HOUR, DAY = 3600.0, 24 * 3600.0


class Account:
    """One Stripe account and its pollers; `live` makes another process of it."""

    def __init__(self, window: Window = POLLING_ONLY, size: int = 100, made: float = NOW) -> None:
        self.clock = Clock(made)
        self.stripe = FakeStripe(size)
        self.connection = connection("stripe", made)
        self.window = window
        self.memory = Memory()
        self.live()

    def live(self, left: int | None = None) -> None:
        """A new process over the records of the last one, which dies at an append."""
        self.memory = Memory(self.memory, left)
        self.tail = MemoryTail(self.memory)
        self.events = StripeEvents(STRIPE, self.memory.book, self.tail, self.window, self.clock)
        self.customers = StripeCustomers(STRIPE, self.memory.book, self.clock)

    async def look(self, looks: int = 1) -> float:
        """Looks, an interval apart. Returns when the next one is due."""
        for _ in range(looks):
            self.clock.now += self.window.interval
            due = await self.events.look(self.stripe, self.connection)
        return due

    async def webhook(self, event_id: str) -> None:
        """An event comes in as it should."""
        body = next(e for e in self.stripe.happened if e["id"] == event_id)
        await self.memory.book.event(stripe_event(msgspec.json.encode(body), self.connection, subject_of))

    @property
    def poll(self) -> Any:
        return self.memory.book.polls.get(STRIPE, "stripe-events")

    def entity(self, name: str) -> Any:
        return self.memory.book.index.get(f"{STRIPE}/customer/{name}")
