"""What every part of the sandbox works on, handed in rather than imported."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from sandbox.clock import Clock
from sandbox.deliveries import Deliveries
from sandbox.faults import Faults
from sandbox.rate import Windows
from sandbox.settings import Settings
from sandbox.store import Store
from sandbox.tenants import Tenants

LOCK_SECONDS = 30 * 60


@dataclass(frozen=True)
class Noted:
    """What the log tells of a call besides its request: when it came, by which key, and what was done to it."""

    began: float
    caller: str | None
    fault: str | None
    retry_after: float | None


@dataclass
class World:
    """The store and the machinery around it."""

    store: Store
    clock: Clock
    settings: Settings
    tenants: Tenants
    deliveries: Deliveries
    faults: Faults = field(default_factory=Faults)
    second: Windows = field(default_factory=lambda: Windows(1.0))
    unauthenticated: Windows = field(default_factory=lambda: Windows(LOCK_SECONDS))
    in_flight: set[tuple[str, str]] = field(default_factory=set)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def keep_settings(self, settings: Settings) -> None:
        """Puts new settings to work and on disk."""
        for name in Settings.model_fields:
            setattr(self.settings, name, getattr(settings, name))
        self.store.set_fact("settings", settings.model_dump())

    def advance_clock(self, seconds: float) -> None:
        """Moves the clock forward, on disk too; raises ValueError for a step back."""
        self.clock.forward(seconds)
        self.store.set_fact("clock", {"advance": self.clock.advance})

    def note_call(self, app: str, facts: dict[str, str | None], status: int | None, call: Noted) -> None:
        """Writes one API call to the log; status None is an answer that was never given."""
        self.store.run(
            "INSERT INTO calls (at, app, scope, method, path, operation, status, idempotency_key, request, fault, "
            "began, caller, retry_after) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            self.clock.now(), app, facts["scope"], facts["method"], facts["path"], facts["operation"], status,
            facts["key"], facts["request"], call.fault, call.began, call.caller, call.retry_after,
        )  # fmt: skip
