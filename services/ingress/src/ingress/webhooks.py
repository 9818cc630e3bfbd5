"""The webhook path, kept lean: raw ASGI, no framework between the socket and the log.

Verify, wrap, append with acks=all, answer. 4xx is the sender's fault only; whatever is ours is 503, and is sent again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from shared.apps import APPS
from shared.apps.receiving import NotOurs, RawWebhook, Refused
from shared.connections import Connection, Secrets, Vault
from shared.domains import TRIGGERS, noun_of, subject_of
from shared.domains.origin import refusal as why_not
from shared.errors import Misconfigured, Unavailable
from shared.events import envelope as envelopes
from shared.events.envelope import TOO_DEEP, Envelope, is_too_deep
from shared.events.topics import MAX_MESSAGE_BYTES, Topics
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.log import get_logger
from shared.runtime.registry import Registry

from ingress.bodies import Bodies
from shared import metrics

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Read = Callable[[], Awaitable[bytes]]

LARGEST_RECORD = MAX_MESSAGE_BYTES * 2 // 3
"""A dead letter holds the whole record in base64, which is a third longer, and must fit into a message too."""
log = get_logger(__name__)


@dataclass(frozen=True)
class WebhookDeps:
    """What the webhook path needs at hand."""

    log: Log
    replica: Replica
    registry: Registry
    vault: Vault
    topics: Topics
    append_timeout: float


class Webhooks:
    """An ASGI app for `/webhooks/...`."""

    def __init__(self, deps: WebhookDeps) -> None:
        self._deps = deps
        self._opened: dict[str, tuple[Connection, Secrets]] = {}
        self._bodies = Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = scope["path"].split("/")
        app = parts[2] if len(parts) > 2 and parts[2] in APPS else "unknown"
        try:
            if scope["method"] != "POST":
                raise Refused(405, "method", "webhooks are POSTed")
            with self._bodies.room(_header(scope, b"content-length")) as room:
                try:
                    envelope, refusal = await self._taken(app, parts, scope, partial(room.read, receive))
                    await self._append(envelope, patience=APPS[app].append_patience)
                except Refused:
                    await room.discard(receive)
                    raise
        except Refused as refused:
            metrics.REFUSED.labels(app, refused.reason).inc()
            log.info("webhook.refused", app=app, reason=refused.reason, status=refused.status)
            await _answer(send, refused.status, {"error": {"code": refused.reason, "message": refused.message}})
        except (Unavailable, Misconfigured) as error:
            metrics.APPEND_FAILED.inc()
            log.warning("webhook.not_taken", app=app, reason=error.message)
            await _answer(send, 503, {"error": {"code": "unavailable", "message": "not taken, send it again"}})
        else:
            await self._answer_taken(send, app, envelope, refusal)

    async def _answer_taken(self, send: Send, app: str, envelope: Envelope, refusal: str) -> None:
        """2xx for what is refused too: a vendor that gets 4xx for days switches its endpoint off."""
        answer: dict[str, Any] = {"received": envelope.id}
        if envelope.refused:
            metrics.REFUSED.labels(app, envelope.refused).inc()
            log.warning("webhook.recorded_as_refused", connection=envelope.connection, reason=envelope.refused)
            answer["refused"] = {"code": envelope.refused, "message": refusal}
        else:
            metrics.EVENTS_IN.labels(app, envelope.type if envelope.type in TRIGGERS else "other").inc()
        await _answer(send, 200, answer)

    async def _taken(self, app: str, parts: list[str], scope: Scope, read: Read) -> tuple[Envelope, str]:
        """What is appended, and why nobody may act on it, empty if it may be. Raises Refused."""
        try:
            return await self._envelope(app, parts, scope, read), ""
        except NotOurs as error:
            return error.record, error.message

    async def _envelope(self, app: str, parts: list[str], scope: Scope, read: Read) -> Envelope:
        """Whatever can be refused without its body is refused before it is read."""
        if not self._deps.replica.ready:
            raise Unavailable("the connections have not been read yet")
        if app not in APPS or len(parts) < 4:
            raise Refused(
                404, "unknown_address", f"webhook addresses are /webhooks/<app>/<connection>/…, of {', '.join(APPS)}"
            )
        connection = self._connection(parts[3], app)
        raw = RawWebhook(
            path=parts[4:], header=partial(_header, scope), read=read, subject_of=subject_of, now=time.time()
        )
        return await APPS[app].receive(raw, connection, self._secrets(connection))

    def _connection(self, connection_id: str, app: str) -> Connection:
        connection = self._deps.registry.connections.get(connection_id)
        if connection is None or connection.app != app or connection.state == "removed":
            raise Refused(404, "unknown_connection", "no such connection: copy the address from `tandem connections`")
        return connection

    def _secrets(self, connection: Connection) -> Secrets:
        known, secrets = self._opened.get(connection.id, (None, None))
        if secrets is None or known != connection:
            secrets = self._deps.vault.open(connection)
            self._opened[connection.id] = (connection, secrets)
        return secrets

    async def _append(self, envelope: Envelope, patience: float) -> None:
        topic, record = placed(envelope, self._deps.topics)
        with metrics.APPEND_SECONDS.time():
            deadline = self._deps.append_timeout * patience
            await self._deps.log.append(topic, envelope.aggregate, record, deadline=deadline)


def placed(envelope: Envelope, topics: Topics) -> tuple[str, bytes]:
    """The topic of an event and its record.

    Raises Refused for one that is too large or nested too deeply, and for one that neither webhook nor poller may
    bring: this is the only way in for both.
    """
    if why := why_not(envelope.type, envelope.origin):
        raise Refused(403, "not_a_webhook", why)
    noun = noun_of(envelope.type)
    if envelope.origin == "poll" and is_too_deep(msgspec.json.decode(envelope.data)):  # webhooks were looked at before
        raise Refused(400, "not_an_event", TOO_DEEP)
    record = envelopes.encode(envelope)
    if len(record) > LARGEST_RECORD:
        raise Refused(413, "too_large", f"the body makes a record larger than {LARGEST_RECORD} bytes")
    return topics.events(noun) if noun else topics.other, record


def _header(scope: Scope, name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if bytes(key).lower() == name), b"")


async def _answer(send: Send, status: int, body: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(body)})
