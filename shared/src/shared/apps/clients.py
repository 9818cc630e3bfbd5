"""The vendors' clients by connection: opened secrets, one client per key, refused keys and operations held back."""

from __future__ import annotations

import asyncio
import random
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Self

import httpx2
import msgspec
import stripe

from shared.apps.hooks import After, Before, nothing_after, nothing_before
from shared.apps.stripe import client as stripe_client
from shared.apps.stripe.client import StripeApp
from shared.apps.togai import client as togai_client
from shared.apps.togai.client import TogaiApp
from shared.connections import Connection, Vault
from shared.errors import Blocked, ConnectionClosed, FlowLinkOff, KeyRefused, Misconfigured, SyncError, Unavailable
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.key_states import KeyState, encode, good_again
from shared.limits import CallGate
from shared.log import get_logger
from shared.registry import Registry
from shared.settings import Settings
from shared.streaming.kafka import Log

log = get_logger(__name__)

PROBE_EVERY = 10 * 60.0
"""Seconds between probes of a refused key, or of a refused operation: Togai locks an address after 5 unauthenticated
calls in 30 minutes.
"""


READS = (".list", ".retrieve", ".get")
"""How the names of operations end that change nothing."""

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
        """Raises Misconfigured for an unknown connection, ConnectionClosed for a refused key, Blocked: see `_make`."""
        found = await self._open(connection_id)
        if not isinstance(found, StripeApp):
            raise Misconfigured(f"connection {connection_id} is none to Stripe", connection=connection_id)
        return found

    async def togai(self, connection_id: str) -> TogaiApp:
        """Raises Misconfigured for an unknown connection, ConnectionClosed for a refused key, Blocked: see `_make`."""
        found = await self._open(connection_id)
        if not isinstance(found, TogaiApp):
            raise Misconfigured(f"connection {connection_id} is none to Togai", connection=connection_id)
        return found

    async def close(self, error: KeyRefused) -> ConnectionClosed:
        """A vendor refused a key: tell all workers. Returns the error that the run waits by."""
        await self._refused(error.connection, error.fingerprint, "", error.message)
        return ConnectionClosed(error.connection, error.message)

    async def block(self, error: Blocked) -> None:
        """A vendor refused an operation with a key: tell all workers. Of secrets that do not open all know."""
        if error.operation:
            await self._refused(error.connection, error.fingerprint, error.operation, error.message)

    async def _refused(self, connection: str, fingerprint: str, operation: str, reason: str) -> None:
        if not self._is_news(connection, fingerprint, operation):
            return
        await self._record(
            KeyState(
                connection=connection, fingerprint=fingerprint, state="refused", operation=operation, reason=reason
            )
        )
        log.error("connection.refused", connection=connection, operation=operation, reason=reason)

    def _is_news(self, connection_id: str, fingerprint: str, operation: str) -> bool:
        """Not if all workers know it already, nor of a key that was replaced meanwhile: nobody asks for that one."""
        present = self._registry.connections.get(connection_id)
        if present is None or present.fingerprint != fingerprint:
            return False
        known = self._registry.key_states.refusal(present, operation)
        return known is None or self._probe_is_due(known)

    async def _open(self, connection_id: str) -> StripeApp | TogaiApp:
        connection = self._registry.connection(connection_id)
        if refusal := self._registry.key_states.refusal(connection):
            await self._probe(connection, refusal)
        return self._client(connection)

    def _client(self, connection: Connection) -> StripeApp | TogaiApp:
        made_for, client = self._made.get(connection.id, (None, None))
        if client is None or made_for != connection:
            client = self._make(connection, partial(self._before, connection), partial(self._after, connection))
            self._made[connection.id] = (connection, client)
        return client

    def _make(self, connection: Connection, before: Before, after: After) -> StripeApp | TogaiApp:
        """Raises Blocked if the secrets do not open: the run waits until somebody has mended the connection."""
        try:
            key = self._vault.open(connection).api_key
        except Misconfigured as error:
            raise Blocked(connection.id, error.message, code=error.code) from error
        arguments = (connection.id, connection.app_account, key, connection.api_base, self._gate)
        assert self._stripe_http
        assert self._togai_http
        if connection.app == "stripe":
            return StripeApp(*arguments, self._stripe_http, before, after)
        return TogaiApp(*arguments, self._togai_http, before, after)

    def _before(self, made_for: Connection, operation: str) -> None:
        """A call has waited for its turn. Raises ConnectionClosed if its key was refused or replaced meanwhile, Blocked
        if the operation was refused and it is not time to try it again, FlowLinkOff for a write of a flow link that was
        switched off.
        """
        link = self._registry.links.get(acting_for.get())
        if link and not link.enabled and not operation.endswith(READS):
            raise FlowLinkOff(link.id)
        present = self._registry.connections.get(made_for.id)
        if present != made_for:
            raise ConnectionClosed(made_for.id, "its key was replaced or removed")
        states = self._registry.key_states
        if refusal := states.refusal(made_for):
            raise ConnectionClosed(made_for.id, refusal.reason)
        if (refusal := states.refusal(made_for, operation)) and not self._probe_is_due(refusal):
            raise Blocked(made_for.id, refusal.reason)

    async def _after(self, connection: Connection, operation: str) -> None:
        """A call succeeded: what was refused is allowed again."""
        if refusal := self._registry.key_states.refusal(connection, operation):
            try:
                await self._record(good_again(refusal, ""))
            except Unavailable as error:
                # The call itself has succeeded; the next one tells it.
                log.warning("connection.not_told", connection=connection.id, reason=error.message)
            else:
                log.info("connection.allowed", connection=connection.id, operation=operation)

    def _probe_is_due(self, refusal: KeyState) -> bool:
        age = time.time() - datetime.fromisoformat(refusal.at).timestamp()
        return age >= PROBE_EVERY * float(self._settings.delay_scale) * random.uniform(1, 1.1)

    async def _probe(self, connection: Connection, refusal: KeyState) -> None:
        """One harmless call after a while; it reopens the connection or postpones the next probe for all workers."""
        closed = ConnectionClosed(connection.id, refusal.reason)
        if self._probing.locked() or not self._probe_is_due(refusal):
            raise closed
        async with self._probing:
            client = self._make(connection, nothing_before, nothing_after)
            try:
                await (client.account() if isinstance(client, StripeApp) else client.organization())
            except Blocked:
                log.info("connection.key_is_known", connection=connection.id)  # it lacks a right for the probe only
            except SyncError as error:
                # A time-out or a 429 says nothing about the key: what the vendor said of it stays the reason.
                reason = error.message if isinstance(error, KeyRefused) else refusal.reason
                await self._record(msgspec.structs.replace(refusal, reason=reason))
                raise closed from error
            await self._record(good_again(refusal, ""))
            log.info("connection.reopened", connection=connection.id)

    async def _record(self, state: KeyState) -> None:
        state = msgspec.structs.replace(state, at=timestamp(datetime.now(UTC)))
        await self._kafka.append(self._topics.key_states, state.key, encode(state))
        self._registry.keep_key_state(state)
