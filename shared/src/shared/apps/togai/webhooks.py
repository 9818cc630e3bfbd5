"""Togai's webhooks, from the body to an envelope."""

from __future__ import annotations

import hmac
import re
import uuid
from datetime import UTC, datetime

import msgspec

from shared.apps.receiving import RawWebhook, Refused, SubjectOf, envelope_of, usable
from shared.connections import Connection, Secrets
from shared.events.envelope import Envelope, is_too_deep, timestamp

_EVENT_NAME = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)*")


async def receive(raw: RawWebhook, connection: Connection, secrets: Secrets) -> Envelope:
    """`/webhooks/togai/<connection>/<event>/<token>`. Raises Refused, before it reads the body if it can."""
    if len(raw.path) != 2:
        raise Refused(
            404, "unknown_address", "Togai's webhook addresses are /webhooks/togai/<connection>/<event>/<token>"
        )
    name, given = raw.path
    # An address may hold what is no text at all, and has to be refused like any other wrong one.
    shown, found = given.encode(errors="surrogatepass"), False
    for token in secrets.webhook_tokens:
        # No early end: the time taken must not tell which one fits.
        found |= hmac.compare_digest(token.encode(), shown)
    if not found:
        raise Refused(403, "wrong_token", "the address's token is not this connection's: copy the address again")
    body = await raw.read()
    now = datetime.fromtimestamp(raw.now, UTC)
    return togai_event(name, body, connection, event_id=f"tgi_{uuid.uuid4().hex}", now=now, subject_of=raw.subject_of)


def togai_event(
    name: str, body: bytes, connection: Connection, *, event_id: str, now: datetime, subject_of: SubjectOf
) -> Envelope:
    """A webhook of Togai. Its body is a hint of no documented shape: even one that is no JSON is kept, as text.

    Raises Refused for an event name that cannot be one, or is one of Tandem's own.
    """
    if not _EVENT_NAME.fullmatch(name) or len(name) > 64:
        raise Refused(404, "unknown_event", "the address must end in /<event>/<token>, as account.created/…")
    if name.partition(".")[0] == "tandem":
        raise Refused(403, "not_a_webhook", f"no webhook brings {name}: only Tandem itself writes events of that name")
    data = _json_or_text(body)
    found = usable(subject_of(f"togai.{name}", msgspec.json.decode(data)))
    # What names no entity goes to its noun's topic all the same: there it ends as a dead letter that somebody sees.
    noun, entity = found or ("event", f"unknown-{event_id}")
    return envelope_of(
        connection,
        event_id=event_id,
        event_type=f"togai.{name}",
        noun=noun,
        entity=entity,
        time=timestamp(now),
        data=data,
    )


def _json_or_text(body: bytes) -> bytes:
    try:
        body.decode()
        readable = not is_too_deep(msgspec.json.decode(body))
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        readable = False
    return body if readable else msgspec.json.encode(body.decode(errors="replace"))
