"""A made-up app: a ledger that posts what was entered, and takes notes. Its adapter is all that Tandem knows of it."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from shared.apps.model import Access, App
from shared.apps.receiving import RawWebhook, Refused, envelope_of, usable
from shared.connections import Connection, Secrets
from shared.errors import KeyRefused
from shared.events.envelope import Envelope, timestamp
from shared.identity import key_fingerprint
from shared.ratelimit.quotas import Quota
from shared.settings import Settings

BOOKS: dict[str, dict[str, str]] = {}
"""What stands at the made-up vendor: notes by key and entry."""


class LedgerClient:
    """Calls to one book."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def note(self, entry: str, text: str) -> None:
        """Set the note of an entry. Raises KeyRefused."""
        access, operation = self._access, "notes.put"
        async with access.gate.call(access.app_account, operation):
            access.before(operation)
            if access.key not in BOOKS:
                key = key_fingerprint(access.key)
                raise KeyRefused("no such key", connection=access.connection, fingerprint=key)
            BOOKS[access.key][entry] = text
        await access.after(operation)


class Ledger(App):
    """The adapter."""

    name, title = "ledger", "Ledger"

    async def receive(self, raw: RawWebhook, connection: Connection, secrets: Secrets) -> Envelope:
        """`/webhooks/ledger/<connection>/<event>`, the token in a header."""
        if len(raw.path) != 1:
            raise Refused(
                404, "unknown_address", "a ledger's webhook addresses are /webhooks/ledger/<connection>/<event>"
            )
        token = raw.header(b"x-ledger-token")
        if not any(hmac.compare_digest(token, secret.encode()) for secret in secrets.webhook_secrets):
            raise Refused(403, "wrong_token", "the token is not this connection's")
        body = msgspec.json.decode(await raw.read())
        name = f"ledger.{raw.path[0]}"
        noun, entity = usable(raw.subject_of(name, body)) or ("event", "unknown")
        return envelope_of(
            connection,
            event_id=str(body["event"]),
            event_type=name,
            noun=noun,
            entity=entity,
            time=timestamp(datetime.fromtimestamp(raw.now, UTC)),
            data=msgspec.json.encode(body),
        )

    @asynccontextmanager
    async def session(self, call_timeout: float) -> AsyncIterator[None]:
        yield None

    def client(self, access: Access, session: Any) -> LedgerClient:
        return LedgerClient(access)

    async def identify(self, client: LedgerClient) -> str:
        return "book_1"

    def quota(self, settings: Settings, mode: str) -> Quota:
        return Quota(0)
