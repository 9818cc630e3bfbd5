"""Webhook deliveries of both vendors: durable, with a new signature at each attempt, concurrent over endpoints.

Stripe's are retried with a backoff that is accelerated (the real one goes on for three days; source: Stripe docs,
webhooks). Togai's are sent once, unsigned: its documentation knows no signature and no retry.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.identifiers import random_text
from sandbox.settings import Settings
from sandbox.signatures import active_secrets, signature_header
from sandbox.store import Json, Store

AT_ONCE_PER_ENDPOINT = 16
LONGEST_NAP = 30.0


@dataclass(frozen=True)
class Message:
    """One event for one endpoint."""

    app: str
    scope: str
    endpoint: str
    url: str
    event: str
    type: str
    object: str
    body: str


class Deliveries:
    """The queue in the store and the task that empties it."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, faults: Faults) -> None:
        self._store, self._clock, self._settings, self._faults = store, clock, settings, faults
        self._wake = asyncio.Event()
        self._running: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._pump: asyncio.Task[None] | None = None
        self._http: httpx.AsyncClient | None = None

    def start(self) -> None:
        """Starts delivering, first what an earlier process left pending."""
        self._store.run("UPDATE deliveries SET due=? WHERE state='held'", time.time())
        self._http = httpx.AsyncClient(
            trust_env=False, limits=httpx.Limits(max_connections=None), follow_redirects=False
        )
        self._pump = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stops at once; what is pending stays in the store."""
        tasks = [task for task in (self._pump, *self._tasks) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http:
            await self._http.aclose()

    def forget(self) -> None:
        """Drops what is under way, for a reset of all state."""
        for task in self._tasks:
            task.cancel()

    def add(self, message: Message) -> None:
        """Queues a message within the caller's transaction, after the webhook faults had their say."""
        facts = {
            "account": message.scope,
            "event_type": message.type,
            "object": message.object,
            "endpoint": message.endpoint,
        }
        rule = self._faults.webhook(message.app, facts, "drop", "duplicate", "delay", "reorder")
        state, due, copies = "pending", time.time(), 1
        if rule and rule.kind == "drop":
            state = "dropped"
        elif rule and rule.kind == "duplicate":
            copies = 1 + rule.count
        elif rule and rule.kind == "delay":
            due += 5.0 if rule.seconds is None else rule.seconds
        elif rule and rule.kind == "reorder":
            state, due = "held", due + (5.0 if rule.seconds is None else rule.seconds)
        for _ in range(copies):
            self._insert(message, state, due)
        self._wake.set()

    def _insert(self, m: Message, state: str, due: float) -> None:
        self._store.run(
            "INSERT INTO deliveries (id, app, scope, endpoint, url, event, type, object, body, state, due, created) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            f"del_{random_text(20)}", m.app, m.scope, m.endpoint, m.url, m.event, m.type, m.object, m.body, state, due,
            int(self._clock.now()),
        )  # fmt: skip

    def redeliver(self, id: str) -> bool:
        """Sends a delivery once more, whatever became of it; False when there is none of this id."""
        touched = self._store.run("UPDATE deliveries SET state='pending', due=? WHERE id=?", time.time(), id)
        self._wake.set()
        return bool(touched)

    def listed(self, where: str = "1", *values: object, limit: int = 1000) -> list[Json]:
        """Deliveries with their attempts, newest first; `where` comes from code."""
        names = (
            "id",
            "app",
            "account",
            "endpoint",
            "url",
            "event",
            "type",
            "object",
            "state",
            "tries",
            "due",
            "created",
        )
        rows = self._store.rows(
            "SELECT id, app, scope, endpoint, url, event, type, object, state, tries, due, created FROM deliveries "
            f"WHERE {where} ORDER BY seq DESC LIMIT ?",
            *values,
            limit,
        )
        return [{**dict(zip(names, row, strict=True)), "attempts": self._attempts(row[0])} for row in rows]

    def _attempts(self, id: str) -> list[Json]:
        rows = self._store.rows("SELECT at, status, error, seconds FROM attempts WHERE delivery=? ORDER BY rowid", id)
        return [{"at": at, "status": status, "error": error, "seconds": seconds} for at, status, error, seconds in rows]

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            # One moment for all three: what falls due between them would otherwise wait for the longest nap.
            now = time.time()
            self._store.run("UPDATE deliveries SET state='pending' WHERE state='held' AND due<=?", now)
            for row in self._due(now):
                self._running[row[0]] = row[1]
                task = asyncio.create_task(self._deliver(*row))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._nap(now))

    def _nap(self, now: float) -> float:
        """Seconds until the next delivery is due; those that only wait for a free slot wake us when one is free."""
        found = self._store.row("SELECT min(due) FROM deliveries WHERE state IN ('pending','held') AND due>?", now)
        return min(LONGEST_NAP, max(0.0, found[0] - time.time()) + 0.001) if found and found[0] else LONGEST_NAP

    def _due(self, now: float) -> list[tuple[Any, ...]]:
        busy: dict[str, list[str]] = {}
        for id, endpoint in self._running.items():
            busy.setdefault(endpoint, []).append(id)
        found: list[tuple[Any, ...]] = []
        endpoints = self._store.rows("SELECT DISTINCT endpoint FROM deliveries WHERE state='pending' AND due<=?", now)
        for (endpoint,) in endpoints:
            own = busy.get(endpoint, [])
            free = AT_ONCE_PER_ENDPOINT - len(own)
            if free <= 0:
                continue
            marks = ",".join("?" * len(own))
            found += self._store.rows(
                "SELECT id, endpoint, app, scope, url, body, tries FROM deliveries "
                f"WHERE state='pending' AND endpoint=? AND due<=? AND id NOT IN ({marks}) ORDER BY due, seq LIMIT ?",
                endpoint, now, *own, free,
            )  # fmt: skip
        return found

    async def _deliver(self, id: str, endpoint: str, app: str, scope: str, url: str, body: str, tries: int) -> None:
        started = time.time()
        try:
            if app == "stripe" and not self._enabled(scope, endpoint):
                self._store.run("UPDATE deliveries SET state='disabled' WHERE id=?", id)
                return
            status, error = await self._attempt(app, scope, endpoint, url, body)
            with self._store.transaction():
                spent = time.time() - started
                self._store.run("INSERT INTO attempts VALUES (?,?,?,?,?)", id, started, status, error, spent)
                self._record_attempt(id, app, tries, status is not None and 200 <= status < 300)
                self._store.run("UPDATE deliveries SET due=0 WHERE state='held' AND endpoint=?", endpoint)
        finally:
            self._running.pop(id, None)
            self._wake.set()

    def _record_attempt(self, id: str, app: str, tries: int, delivered: bool) -> None:
        delays = self._settings.webhook_delays if app == "stripe" else []
        if delivered:
            state, due = "delivered", 0.0
        elif tries < len(delays):
            state, due = "pending", time.time() + delays[tries]
        else:
            state, due = "failed", 0.0
        self._store.run("UPDATE deliveries SET state=?, tries=?, due=? WHERE id=?", state, tries + 1, due, id)

    def _enabled(self, scope: str, endpoint: str) -> bool:
        found = self._store.get(scope, "webhook_endpoint", endpoint)
        return found is not None and not found.deleted and found.body["status"] == "enabled"

    async def _attempt(self, app: str, scope: str, endpoint: str, url: str, body: str) -> tuple[int | None, str | None]:
        if self._http is None:
            raise RuntimeError("deliveries are not started")
        content = body.encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "Accept": "*/*; q=0.5, application/xml"}
        if app == "stripe":
            headers["User-Agent"] = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
            headers["Stripe-Signature"] = signature_header(content, active_secrets(self._store, scope, endpoint))
        try:
            # httpx counts its timeout per read; a receiver that drips bytes must not hold the slot for ever.
            async with asyncio.timeout(self._settings.webhook_timeout):
                answer = await self._http.post(url, content=content, headers=headers, timeout=None)
        except TimeoutError:
            return None, "timeout"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            return None, f"{type(error).__name__}: {error}"
        return answer.status_code, None
