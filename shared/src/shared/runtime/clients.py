"""The vendors' clients by connection: opened secrets, one client per key, refused keys and operations held back."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self

import msgspec

from shared.apps import APPS
from shared.apps.hooks import After, Before, nothing_after, nothing_before
from shared.apps.model import Access, only_reads
from shared.connections import Connection, Vault
from shared.errors import (
    Blocked,
    ConnectionClosed,
    FlowLinkOff,
    KeyRefused,
    Misconfigured,
    QuotaUsed,
    SyncError,
    Unavailable,
)
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.kafka.log import Log
from shared.key_states import KeyState, encode, good_again
from shared.linking.dry_run import end_if_dry
from shared.log import get_logger
from shared.ratelimit import CallGate
from shared.retries import QUOTA_EVERY
from shared.runtime.outages import Outages
from shared.runtime.registry import Registry
from shared.settings import Settings

log = get_logger(__name__)

PROBE_EVERY = 10 * 60.0
"""Seconds between probes of a refused key, or of a refused operation: Togai locks an address after 5 unauthenticated
calls in 30 minutes.
"""


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
        self._made: dict[str, tuple[Connection, Any]] = {}
        self._sessions: dict[str, Any] = {}
        self._stack = AsyncExitStack()
        self._probing = asyncio.Lock()
        self._tried_at: dict[str, float] = {}
        self.outages = Outages()

    async def __aenter__(self) -> Self:
        for app in APPS.values():
            self._sessions[app.name] = await self._stack.enter_async_context(app.session(self._settings.call_timeout))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def of(self, connection_id: str) -> Any:
        """The app's client for a connection. Raises Misconfigured for an unknown connection, ConnectionClosed for a
        refused key, Blocked: see `_make`.
        """
        connection = self._registry.connection(connection_id)
        if refusal := self._registry.key_states.refusal(connection):
            await self._probe(connection, refusal)
        return self._client(connection)

    @asynccontextmanager
    async def keep_refusals(self) -> AsyncIterator[None]:
        """Around calls: what a vendor says of a key is kept for all. Raises ConnectionClosed for a refused key."""
        try:
            yield
        except KeyRefused as error:
            raise await self.close(error) from error
        except Blocked as error:
            await self.block(error)
            raise

    async def close(self, error: KeyRefused) -> ConnectionClosed:
        """A vendor refused a key: tell all workers. Returns the error that the run waits by."""
        await self._refused(error.connection, error.fingerprint, "", error.message)
        return ConnectionClosed(error.connection, error.message)

    async def block(self, error: Blocked) -> None:
        """A vendor refused an operation with a key: tell all workers. Of secrets that do not open all know."""
        if error.operation:
            quota = isinstance(error, QuotaUsed)
            await self._refused(error.connection, error.fingerprint, error.operation, error.message, quota=quota)

    async def _refused(
        self, connection: str, fingerprint: str, operation: str, reason: str, *, quota: bool = False
    ) -> None:
        if not self._is_news(connection, fingerprint, operation):
            return
        await self._record(
            KeyState(
                connection=connection,
                fingerprint=fingerprint,
                state="refused",
                operation=operation,
                quota=quota,
                reason=reason,
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

    def _client(self, connection: Connection) -> Any:
        made_for, client = self._made.get(connection.id, (None, None))
        if made_for is None or made_for.access != connection.access:
            client = self._make(connection, partial(self._before, connection), partial(self._after, connection))
            self._made[connection.id] = (connection, client)
        return client

    def _make(self, connection: Connection, before: Before, after: After) -> Any:
        """Raises Blocked if the secrets do not open: the run waits until somebody has mended the connection."""
        try:
            key = self._vault.open(connection).api_key
        except Misconfigured as error:
            raise Blocked(connection.id, error.message, code=error.code) from error
        access = Access(
            connection.id, connection.app_account, key, connection.api_base, self._gate, before=before, after=after
        )
        return APPS[connection.app].client(access, self._sessions[connection.app])

    def _before(self, made_for: Connection, operation: str) -> None:
        """A call has waited for its turn. Raises ConnectionClosed if its key was refused or replaced meanwhile, Blocked
        if the operation was refused and it is not time to try it again, FlowLinkOff for a write of a flow link that was
        switched off.
        """
        if not only_reads(operation):
            end_if_dry("changed", f"{operation} at {made_for.app_account}")
            link = self._registry.links.get(acting_for.get())
            if link and not link.enabled:
                raise FlowLinkOff(link.id)
        present = self._registry.connections.get(made_for.id)
        if present is None or present.access != made_for.access:
            raise ConnectionClosed(made_for.id, "its key was replaced or removed")
        states = self._registry.key_states
        if refusal := states.refusal(made_for):
            raise ConnectionClosed(made_for.id, refusal.reason)
        if (refusal := states.refusal(made_for, operation)) and not self._may_try(refusal):
            raise (QuotaUsed if refusal.quota else Blocked)(made_for.id, refusal.reason)
        self.outages.called(made_for.id, operation)

    async def _after(self, connection: Connection, operation: str) -> None:
        """A call succeeded: what was refused is allowed again."""
        self.outages.answered(connection.id, operation)
        if refusal := self._registry.key_states.refusal(connection, operation):
            try:
                await self._record(good_again(refusal, ""))
            except Unavailable as error:
                # The call itself has succeeded; the next one tells it.
                log.warning("connection.not_told", connection=connection.id, reason=error.message)
            else:
                log.info("connection.allowed", connection=connection.id, operation=operation)

    def _probe_is_due(self, refusal: KeyState, stretch: float = 1.0) -> bool:
        age = time.time() - datetime.fromisoformat(refusal.at).timestamp()
        return age >= self._probe_every(refusal) * stretch

    def _probe_every(self, refusal: KeyState) -> float:
        return (QUOTA_EVERY if refusal.quota else PROBE_EVERY) * float(self._settings.delay_scale)

    def _may_try(self, refusal: KeyState) -> bool:
        """Whether it is time to try what was refused; one call of this worker does, and the others wait for its end."""
        now, before = time.time(), self._tried_at.get(refusal.key, 0.0)
        stretch = 1.0 if refusal.quota else random.uniform(1, 1.1)
        if not self._probe_is_due(refusal, stretch) or now - before < self._probe_every(refusal):
            return False
        self._tried_at[refusal.key] = now
        return True

    async def _probe(self, connection: Connection, refusal: KeyState) -> None:
        """One harmless call after a while; it reopens the connection or postpones the next probe for all workers."""
        closed = ConnectionClosed(connection.id, refusal.reason)
        if self._probing.locked() or not self._probe_is_due(refusal, random.uniform(1, 1.1)):
            raise closed
        async with self._probing:
            client = self._make(connection, nothing_before, nothing_after)
            try:
                await APPS[connection.app].identify(client)
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
