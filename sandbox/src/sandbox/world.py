"""What every part of the sandbox works on, handed in rather than imported."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.requests import Request

from sandbox.answers import Answer
from sandbox.clock import Clock
from sandbox.deliveries import Deliveries
from sandbox.faults import Faults
from sandbox.rate import Windows
from sandbox.settings import Settings
from sandbox.store import Store
from sandbox.tenants import Tenants
from sandbox.visits import Visit

LOCK_SECONDS = 30 * 60


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

    def address(self, request: Request) -> str:
        """Where people find the sandbox's pages: as it is set, else where this request found it."""
        return (self.settings.public_url or str(request.base_url)).rstrip("/") + "/"

    def advance_clock(self, seconds: float) -> None:
        """Moves the clock forward, on disk too; raises ValueError for a step back."""
        self.clock.forward(seconds)
        self.store.set_fact("clock", {"advance": self.clock.advance})

    def note_call(self, app: str, visit: Visit, answer: Answer | None) -> None:
        """Writes one API call to the log; no answer is one that was never given."""
        access, rule = visit.access, visit.rule
        scope, caller = (access.tenant.scope, access.key) if access else (None, None)
        asked = answer.headers.get("Retry-After") if answer else None
        self.store.run(
            "INSERT INTO calls (at, app, scope, method, path, operation, status, idempotency_key, request, fault, "
            "began, caller, retry_after) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            self.clock.now(), app, scope, visit.request.method, visit.path, visit.operation,
            answer.status if answer else None, visit.key, visit.id or None, rule.kind if rule else None, visit.began,
            caller, float(asked) if asked else None,
        )  # fmt: skip
