"""From a vendor's body to an envelope. Pure: time and ids are given."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from shared.connections import Connection
from shared.domains import TRIGGERS, noun_of
from shared.domains.customers.stripe import aggregate
from shared.events.envelope import TOO_DEEP, Envelope, is_too_deep, timestamp
from shared.events.refused import REMEDIES, RefusedReason, refused_event
from shared.identity import AppAccount, Ref, is_id, source_of

_EVENT_NAME = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)*")


class Refused(Exception):
    """The sender's fault: `status` is a 4xx, `reason` a short code for the counter."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class NotOurs(Refused):
    """A good event that is not this connection's: `record` is what is kept of it."""

    def __init__(self, reason: RefusedReason, message: str, record: Envelope) -> None:
        super().__init__(400, reason, message)
        self.record = record


class _StripeEvent(msgspec.Struct):
    id: str
    type: str
    created: int
    livemode: bool
    object: str = ""
    account: str | None = None


_stripe_decoder = msgspec.json.Decoder(_StripeEvent)


def stripe_event(body: bytes, connection: Connection) -> Envelope:
    """A snapshot event of Stripe. Raises Refused for whatever is none, NotOurs for one of another mode or account."""
    try:
        body.decode()
        event = _stripe_decoder.decode(body)
        # The typed decoder steps over what it does not know, valid or not.
        whole = msgspec.json.decode(body)
    except UnicodeDecodeError as error:
        raise Refused(400, "not_utf8", "the body is not UTF-8") from error
    except msgspec.ValidationError as error:
        raise _not_a_snapshot(body, error) from error
    except msgspec.DecodeError as error:
        raise Refused(400, "not_json", f"the body is no JSON: {error}") from error
    except RecursionError as error:
        raise Refused(400, "not_an_event", "the body is no Stripe event: it is nested too deeply") from error
    if event.object != "event" or not event.id or not event.type:
        raise Refused(400, "not_an_event", "the body is no Stripe event: its `object` is not `event`")
    if not is_id(event.id) or not is_id(event.type):
        raise Refused(400, "not_an_event", "the body is no Stripe event: its id or type is none")
    if is_too_deep(whole):
        raise Refused(400, "not_an_event", f"the body is no Stripe event: {TOO_DEEP}")
    _check_owner(event, body, connection)
    noun, entity = _usable(aggregate(whole)) or ("event", event.id)
    return _envelope(
        connection,
        event_id=event.id,
        event_type=f"stripe.{event.type}",
        noun=noun,
        entity=entity,
        time=_created(event.created),
        data=body,
    )


def _not_a_snapshot(body: bytes, error: msgspec.ValidationError) -> Refused:
    try:
        thin = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        thin = None
    if isinstance(thin, dict) and str(thin.get("object", "")).startswith("v2."):
        return Refused(
            400, "thin_event", "this is a thin event: make the endpoint with payload style `snapshot` instead"
        )
    return Refused(400, "not_an_event", f"the body is no Stripe event: {error}")


def _check_owner(event: _StripeEvent, body: bytes, connection: Connection) -> None:
    def refuse(reason: RefusedReason, message: str) -> NotOurs:
        time = _created(event.created)
        record = refused_event(connection, reason, event_id=event.id, time=time, data=body)
        return NotOurs(reason, f"{message}: {REMEDIES[reason]}", record)

    if event.livemode != (connection.mode == "live"):
        raise refuse(
            "wrong_mode",
            f"the event is from {'live' if event.livemode else 'test'} mode, connection {connection.id} is in "
            f"{connection.mode} mode",
        )
    if event.account and event.account != AppAccount.parse(connection.app_account).account:
        raise refuse(
            "other_account", f"the event is of connected account {event.account}, not of this connection's account"
        )


def _created(seconds: int) -> str:
    try:
        return timestamp(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError) as error:
        raise Refused(400, "not_an_event", "the event's `created` is no time") from error


def togai_event(name: str, body: bytes, connection: Connection, *, event_id: str, now: datetime) -> Envelope:
    """A webhook of Togai. Its body is a hint of no documented shape: even one that is no JSON is kept, as text.

    Raises Refused for an event name that cannot be one, or is one of Tandem's own.
    """
    if not _EVENT_NAME.fullmatch(name) or len(name) > 64:
        raise Refused(404, "unknown_event", "the address must end in /<event>/<token>, as account.created/…")
    if name.partition(".")[0] == "tandem":
        raise Refused(403, "not_a_webhook", f"no webhook brings {name}: only Tandem itself writes events of that name")
    data = _json_or_text(body)
    trigger = TRIGGERS.get(f"togai.{name}")
    found = _usable(trigger.subject(msgspec.json.decode(data))) if trigger else None
    # What names no entity goes to its noun's topic all the same: there it ends as a dead letter that somebody sees.
    noun, entity = found or (noun_of(f"togai.{name}") or "event", f"unknown-{event_id}")
    return _envelope(
        connection,
        event_id=event_id,
        event_type=f"togai.{name}",
        noun=noun,
        entity=entity,
        time=timestamp(now),
        data=data,
    )


def _usable(found: tuple[str, str] | None) -> tuple[str, str] | None:
    """What can be no id names nothing."""
    return found if found and all(map(is_id, found)) else None


def _json_or_text(body: bytes) -> bytes:
    try:
        body.decode()
        readable = not is_too_deep(msgspec.json.decode(body))
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        readable = False
    return body if readable else msgspec.json.encode(body.decode(errors="replace"))


def _envelope(
    connection: Connection, *, event_id: str, event_type: str, noun: str, entity: str, **rest: Any
) -> Envelope:
    return Envelope(
        id=event_id,
        source=source_of(connection.app_account),
        type=event_type,
        subject=entity,
        time=rest["time"],
        appaccount=connection.app_account,
        connection=connection.id,
        aggregate=str(Ref(connection.app_account, noun, entity)),
        data=msgspec.Raw(rest["data"]),
    )
