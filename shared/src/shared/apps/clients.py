"""The vendors' clients by connection: opened secrets, one client per key, closed connections refused before a call."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Self

import httpx2
import msgspec
import stripe

from shared.apps.stripe import client as stripe_client
from shared.apps.stripe.client import StripeApp
from shared.apps.togai import client as togai_client
from shared.apps.togai.client import TogaiApp
from shared.connections import Connection, Vault, encode
from shared.errors import Blocked, ConnectionClosed, FlowLinkOff, Misconfigured, SyncError
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.limits import CallGate
from shared.log import get_logger
from shared.registry import Registry
from shared.settings import Settings
from shared.streaming.kafka import Log

log = get_logger(__name__)

PROBE_EVERY = 10 * 60.0
"""Seconds between probes of a closed connection: Togai locks an address after 5 unauthenticated calls in 30 minutes."""


acting_for: ContextVar[str] = ContextVar("acting_for", default="")
"""The flow link whose run makes the calls of this task: one that is off writes nothing."""


class Clients:
    """One per worker and event loop."""

    def __init__(
        self, settings: Settings, registry: Registry, vault: Vault, gate: CallGate, kafka: Log, topics: Topics
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._vault = vault
        self._gate = gate
        self._kafka = kafka
        self._topics = topics
        self._made: dict[str, tuple[Connection, StripeApp | TogaiApp]] = {}
        self._probing = asyncio.Lock()
        self._stripe_http: stripe.HTTPClient | None = None
        self._togai_http: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._stripe_http = stripe_client.http_client(self._settings.call_timeout)
        self._togai_http = togai_client.http_client(self._settings.call_timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stripe_http:
            await self._stripe_http.close_async()  # type: ignore[no-untyped-call]
        if self._togai_http:
            await self._togai_http.aclose()

    async def stripe(self, connection_id: str) -> StripeApp:
        """Raises Misconfigured for an unknown connection, ConnectionClosed for a closed one, Blocked: see `_make`."""
        found = await self._open(connection_id)
        if not isinstance(found, StripeApp):
            raise Misconfigured(f"connection {connection_id} is none to Stripe", connection=connection_id)
        return found

    async def togai(self, connection_id: str) -> TogaiApp:
        """Raises Misconfigured for an unknown connection, ConnectionClosed for a closed one, Blocked: see `_make`."""
        found = await self._open(connection_id)
        if not isinstance(found, TogaiApp):
            raise Misconfigured(f"connection {connection_id} is none to Togai", connection=connection_id)
        return found

    async def close(self, error: Misconfigured) -> ConnectionClosed:
        """A 401 or a missing right is a state of the connection: close it for all workers, and say so to the run."""
        connection = self._registry.connections.get(error.connection)
        if connection and connection.state == "open":
            await self._record(connection, "closed", error.message)
            log.error("connection.closed", connection=connection.id, reason=error.message)
        return ConnectionClosed(error.connection, error.message)

    async def _open(self, connection_id: str) -> StripeApp | TogaiApp:
        connection = self._registry.connection(connection_id)
        if connection.state == "closed":
            await self._probe(connection)
        return self._client(connection)

    def _client(self, connection: Connection) -> StripeApp | TogaiApp:
        made_for, client = self._made.get(connection.id, (None, None))
        if client is None or made_for != connection:
            client = self._make(connection, partial(self._check_open, connection))
            self._made[connection.id] = (connection, client)
        return client

    def _make(self, connection: Connection, check_open: Callable[[bool], None]) -> StripeApp | TogaiApp:
        """Raises Blocked if the secrets do not open: the run waits until somebody has mended the connection."""
        try:
            key = self._vault.open(connection).api_key
        except Misconfigured as error:
            raise Blocked(connection.id, error.message, code=error.code) from error
        arguments = (connection.id, connection.app_account, key, connection.api_base, self._gate)
        assert self._stripe_http
        assert self._togai_http
        if connection.app == "stripe":
            return StripeApp(*arguments, self._stripe_http, check_open)
        return TogaiApp(*arguments, self._togai_http, check_open)

    def _check_open(self, made_for: Connection, writes: bool) -> None:
        """A call has waited for its turn. Raises ConnectionClosed if its key was refused, or replaced, meanwhile, and
        FlowLinkOff for a write of a flow link that was switched off.
        """
        link = self._registry.links.get(acting_for.get())
        if writes and link and not link.enabled:
            raise FlowLinkOff(link.id)
        present = self._registry.connections.get(made_for.id)
        if present is None or present.state != "open" or _key(present) != _key(made_for):
            reason = present.reason if present and present.state == "closed" else "its key was replaced or removed"
            raise ConnectionClosed(made_for.id, reason)

    async def _probe(self, connection: Connection) -> None:
        """One harmless call after a while; it reopens the connection or postpones the next probe for all workers."""
        closed = ConnectionClosed(connection.id, connection.reason)
        age = time.time() - datetime.fromisoformat(connection.changed_at).timestamp()
        if self._probing.locked() or age < PROBE_EVERY * float(self._settings.delay_scale) * random.uniform(1, 1.1):
            raise closed
        async with self._probing:
            client = self._make(connection, lambda writes: None)
            try:
                await (client.account() if isinstance(client, StripeApp) else client.organization())
            except SyncError as error:
                # A time-out or a 429 says nothing about the key: what the vendor said of it stays the reason.
                reason = error.message if isinstance(error, Misconfigured) else connection.reason
                await self._record(connection, "closed", reason)
                raise closed from error
            await self._record(connection, "open", "")
            log.info("connection.reopened", connection=connection.id)

    async def _record(self, connection: Connection, state: str, reason: str) -> None:
        changed = msgspec.structs.replace(
            connection, state=state, reason=reason, changed_at=timestamp(datetime.now(UTC))
        )
        await self._kafka.append(self._topics.connections, connection.id, encode(changed))
        self._registry.keep_connection(changed)


def _key(connection: Connection) -> tuple[str, str]:
    return connection.sealed, connection.api_base
