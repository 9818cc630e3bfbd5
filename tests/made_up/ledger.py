"""A made-up app: a ledger that posts what was entered, lists it, and takes notes. Tandem knows no more of it."""

from __future__ import annotations

import hmac
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
import msgspec
from shared.apps.connecting import Connector
from shared.apps.model import Access, App
from shared.apps.polling import PollContext, Poller, PollSpec
from shared.apps.receiving import RawWebhook, Refused, SubjectOf, envelope_of, usable
from shared.connections import Connection, Secrets
from shared.errors import Blocked, KeyRefused, NotFound, RateLimited, Rejected, SyncError, Unavailable
from shared.events.envelope import Envelope, is_too_deep, timestamp
from shared.identity import is_id, key_fingerprint
from shared.polls import epoch, rfc3339
from shared.ratelimit.quotas import Quota
from shared.settings import Settings

ENTRIES = PollSpec("ledger-entries", "entries", by_event=True)
INTERVAL = 0.5
"""Seconds between two polls."""
OVERLAP = 300.0
"""Seconds by which the ledger's clock and ours may differ."""


T = TypeVar("T")


class Row(msgspec.Struct):
    """An entry, as the webhook and the list show it."""

    event: str
    entry: str
    account: str
    number: int = 0


class Page(msgspec.Struct):
    """One page of the list."""

    entries: list[Row]
    more: bool = False


class BookName(msgspec.Struct):
    """A book, by its name."""

    id: str


class LedgerClient:
    """Calls to one book. Raises errors of `shared.errors` only."""

    def __init__(self, access: Access, http: httpx2.AsyncClient) -> None:
        self._access = access
        self._http = http

    async def book(self) -> str:
        """The book's name."""
        return _read(await self._call("book.get", "GET", "/book"), BookName).id

    async def entries(self, after: int) -> Page:
        """A page of what was entered, the oldest first."""
        return _read(await self._call("entries.list", "GET", f"/entries/{after}"), Page)

    async def note(self, entry: str, text: str) -> None:
        """Set the note of an entry: as often as one likes."""
        await self._call("notes.put", "PUT", f"/notes/{quote(entry, safe='')}", json={"text": text})

    async def _call(self, operation: str, method: str, path: str, **body: Any) -> bytes:
        access = self._access
        async with access.gate.call(access.app_account, operation):
            access.before(operation)
            try:
                answer = await self._http.request(method, access.api_base + path, headers={"x-key": access.key}, **body)
            except (httpx2.HTTPError, TimeoutError) as error:
                raise Unavailable(f"Ledger: {method} {path}: {error!r}") from error
        if not answer.is_success:
            raised = self._error(answer.status_code, f"Ledger: {method} {path}", operation)
            if isinstance(raised, RateLimited):
                access.gate.refused(access.app_account, operation, raised)
            raise raised
        await access.after(operation)
        return answer.content

    def _error(self, status: int, call: str, operation: str) -> SyncError:
        """The table from the ledger's status codes to our errors."""
        message, key = f"{call} answered {status}", key_fingerprint(self._access.key)
        if status == 401:
            return KeyRefused(message, connection=self._access.connection, fingerprint=key)
        if status == 403:
            return Blocked(self._access.connection, message, operation=operation, fingerprint=key)
        if status == 404:
            return NotFound(message, status=status)
        if status == 429:
            return RateLimited(message)
        return Unavailable(message) if status >= 500 else Rejected(message, status=status)


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unavailable(f"Ledger: an answer cannot be read: {error}") from error


def event_of(row: Row, connection: Connection, subject_of: SubjectOf, now: float, name: str = "entry.made") -> Envelope:
    """An entry as an event: under the ledger's own id, whether a webhook brought it or a poll."""
    body = {"event": row.event, "entry": row.entry, "account": row.account}
    noun, entity = usable(subject_of(f"ledger.{name}", body)) or ("event", "unknown")
    return envelope_of(
        connection,
        event_id=row.event,
        event_type=f"ledger.{name}",
        noun=noun,
        entity=entity,
        time=timestamp(datetime.fromtimestamp(now, UTC)),
        data=msgspec.json.encode(body),
    )


class EntryReader:
    """The poller of one book: appends the entries that no webhook brought."""

    def __init__(self, context: PollContext) -> None:
        self._context = context

    async def poll_once(self, connection: Connection, client: LedgerClient) -> float:
        """Events first, the position after them: whoever dies in between asks for the page again."""
        context, store = self._context, self._context.store
        poll, more = store.polls.get(context.app_account, ENTRIES.kind), True
        # Whatever is listed after the cursor was entered after the last poll: of what came before no id is needed.
        since = epoch(poll.position or connection.changed_at) - OVERLAP
        context.log.require(since)
        context.log.forget(context.app_account, since)
        while more:
            poll = store.polls.get(context.app_account, ENTRIES.kind)
            page = await client.entries(int(poll.cursor or 0))
            # The list came first: what a webhook brought meanwhile is in the log by now.
            await context.log.caught_up()
            missing = [row for row in page.entries if not context.log.knows(context.app_account, row.event)]
            for row in missing:
                event = event_of(row, connection, context.subject_of, context.clock())
                await store.event(msgspec.structs.replace(event, origin="poll"))
            more = page.more and bool(page.entries)
            at = rfc3339(context.clock())
            cursor = str(page.entries[-1].number) if page.entries else poll.cursor
            await store.poll(msgspec.structs.replace(
                poll, cursor=cursor, complete=poll.complete or not more, passes=poll.passes + (not more), at=at,
                position=at, found=poll.found + len(missing),
            ))  # fmt: skip
        return INTERVAL


class LedgerConnector(Connector):
    """A key names its book; any number of tokens open the webhook address."""

    def missing(self, secrets: Secrets) -> str:
        return "" if secrets.webhook_secrets else "no token: the ledger's webhooks are refused"


class Ledger(App):
    """The adapter."""

    name, title = "ledger", "Ledger"
    connector = LedgerConnector()
    secret_forms = (re.compile(r"\b(ledger-(?:key|token)-)[A-Za-z0-9]{8,}"),)
    polls = (ENTRIES,)

    async def receive(self, raw: RawWebhook, connection: Connection, secrets: Secrets) -> Envelope:
        """`/webhooks/ledger/<connection>/<event>`, the token in a header."""
        if len(raw.path) != 1:
            raise Refused(
                404, "unknown_address", "a ledger's webhook addresses are /webhooks/ledger/<connection>/<event>"
            )
        token, usable_ones = raw.header(b"x-ledger-token"), [s for s in secrets.webhook_secrets if s.strip()]
        if not any(hmac.compare_digest(token, secret.encode()) for secret in usable_ones):
            raise Refused(403, "wrong_token", "the token is not this connection's")
        body = await raw.read()
        try:
            row = msgspec.json.decode(body, type=Row)
            deep = is_too_deep(msgspec.json.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, "not_an_event", f"the body is no entry: {error}") from error
        if deep or not all(map(is_id, (row.event, row.entry, row.account))):
            raise Refused(400, "not_an_event", "the body is no entry: it names none")
        return event_of(row, connection, raw.subject_of, raw.now, raw.path[0])

    @asynccontextmanager
    async def session(self, call_timeout: float) -> AsyncIterator[httpx2.AsyncClient]:
        async with httpx2.AsyncClient(timeout=call_timeout, follow_redirects=False) as http:
            yield http

    def client(self, access: Access, session: Any) -> LedgerClient:
        return LedgerClient(access, session)

    async def identify(self, client: LedgerClient) -> str:
        return await client.book()

    def quota(self, settings: Settings, mode: str) -> Quota:
        return Quota(0)

    def poll_interval(self, spec: PollSpec, settings: Settings, mode: str) -> float:
        return INTERVAL

    def pollers_of(self, context: PollContext) -> Iterable[Poller]:
        yield Poller((ENTRIES,), EntryReader(context).poll_once)
