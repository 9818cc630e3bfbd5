"""One Stripe account in memory and its pollers, for tests of what they find."""

from __future__ import annotations

from typing import Any

import msgspec
from shared.apps.stripe.readers.customers import CustomerReader
from shared.apps.stripe.readers.events import EventReader, Window
from shared.apps.stripe.webhooks import stripe_event
from shared.domains import subject_of

from tests.fakes.polling import NOW, STRIPE, Clock, FakeStripe, Memory, MemoryEventLog, connection

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
        self.log = MemoryEventLog(self.memory)
        context = self.memory.context(STRIPE, self.clock, self.log)
        self.events = EventReader(context, self.window)
        self.customers = CustomerReader(context)

    async def poll(self, times: int = 1) -> float:
        """Polls, an interval apart. Returns when the next one is due."""
        for _ in range(times):
            self.clock.now += self.window.interval
            due = await self.events.poll_once(self.connection, self.stripe)
        return due

    async def webhook(self, event_id: str) -> None:
        """An event comes in as it should."""
        body = next(e for e in self.stripe.happened if e["id"] == event_id)
        await self.memory.store.event(stripe_event(msgspec.json.encode(body), self.connection, subject_of))

    @property
    def position(self) -> Any:
        return self.memory.store.polls.get(STRIPE, "stripe-events")

    def entity(self, name: str) -> Any:
        return self.memory.store.index.get(f"{STRIPE}/customer/{name}")
