"""Stripe's webhooks and events, from the body to an envelope."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from shared.apps.receiving import NotOurs, RawWebhook, Refused, SubjectOf, envelope_of, usable
from shared.apps.refused import RefusedReason, refused_event
from shared.apps.stripe.signatures import BadSignature, check_header, verify
from shared.connections import Connection, Secrets
from shared.events.envelope import TOO_DEEP, Envelope, is_too_deep, timestamp
from shared.identity import AppAccount, is_id

REMEDIES: dict[RefusedReason, str] = {
    "wrong_mode": "point the endpoint in Stripe at a connection of its own mode, or delete the endpoint there",
    "other_account": "let the endpoint in Stripe listen to events on your own account only",
}
"""What a person has to do about events that are not the connection's."""


async def receive(raw: RawWebhook, connection: Connection, secrets: Secrets) -> Envelope:
    """`/webhooks/stripe/<connection>`. Raises Refused, before it reads the body where that is possible."""
    if raw.path:
        raise Refused(404, "unknown_address", "Stripe's webhook addresses are /webhooks/stripe/<connection>")
    signature = raw.header(b"stripe-signature")
    try:
        check_header(signature, secrets.webhook_secrets, raw.now)
        body = await raw.read()
        verify(body, signature, secrets.webhook_secrets, raw.now)
    except BadSignature as bad:
        raise Refused(400, f"signature_{bad.reason}", bad.message) from bad
    return stripe_event(body, connection, raw.subject_of)


def data_object(body: Any) -> tuple[str, str] | None:
    """What any Stripe event is about, as (noun, id): the object in `data.object`."""
    data = body.get("data") if isinstance(body, dict) else None
    found = data.get("object") if isinstance(data, dict) else None
    if not isinstance(found, dict):
        return None
    noun, entity = found.get("object"), found.get("id")
    return (noun, entity) if isinstance(noun, str) and isinstance(entity, str) and entity else None


RELEASES = ("acacia", "basil", "clover", "dahlia", "endive")
"""Stripe's named releases whose events this version reads; those before the first one have a date alone."""


def unknown_version(body: Any) -> str:
    """The API version of an event whose shape nobody here has seen; empty for one that can be read."""
    version = str((body.get("api_version") if isinstance(body, dict) else None) or "")
    return "" if version.partition(".")[2] in ("", *RELEASES) else version


class _StripeEvent(msgspec.Struct):
    id: str
    type: str
    created: int
    livemode: bool
    object: str = ""
    account: str | None = None


_stripe_decoder = msgspec.json.Decoder(_StripeEvent)


def stripe_event(body: bytes, connection: Connection, subject_of: SubjectOf) -> Envelope:
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
    name = f"stripe.{event.type}"
    noun, entity = usable(subject_of(name, whole) or data_object(whole)) or ("event", event.id)
    return envelope_of(
        connection,
        event_id=event.id,
        event_type=name,
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
