"""The outer record of every event: CloudEvents 1.0, structured JSON, with Tandem's extension attributes.

Attribute names are CloudEvents' own: lower-case letters and digits. `data` is the vendor's body byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from shared.errors import Malformed, StopWorker

SCHEMA_VERSION = "1.0"
Origin = Literal["live", "poll", "replay", "backfill"]
DEEPEST = 100
"""Levels of a vendor's body, which has about ten. pydantic writes no more than 250, Python's stack allows 1,000."""
TOO_DEEP = f"the body is nested deeper than {DEEPEST} levels"


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One event. `source` and `id` together name it: a redelivery, or the same event at two connections, is one event.

    - `appaccount`: `app:mode:account` that it happened at; `connection`: whose address or poller brought it.
    - `aggregate`: canonical id of what it changes, also the record's key.
    - `cause`: id of the run or request that made us emit it, empty for the outside's own events.
    - `flowlink`: the one flow link that it is for, empty where every one that its type starts is meant.
    - `dryrun`: it is only judged what its runs would do; `choices`: what becomes of conflicts of an import, as
      `same_email=leave_out`, with a comma between two.
    - `refused`: why nobody may act on it, empty for every event that may be acted on.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    appaccount: str
    connection: str
    aggregate: str
    data: msgspec.Raw
    origin: Origin = "live"
    cause: str = ""
    flowlink: str = ""
    dryrun: bool = False
    choices: str = ""
    refused: str = ""
    specversion: str = "1.0"
    schemaversion: str = SCHEMA_VERSION
    datacontenttype: str = "application/json"

    def body(self) -> Any:
        """The vendor's body, decoded. Raises Malformed if it is no JSON, or nested too deeply."""
        try:
            body = msgspec.json.decode(self.data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Malformed(f"the event's body is no JSON: {error}") from error
        if is_too_deep(body):
            raise Malformed(TOO_DEEP)
        return body


def is_too_deep(body: Any) -> bool:
    """Whether a decoded body has more levels than later steps can handle."""
    level = [body]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)


def encode(envelope: Envelope) -> bytes:
    """The record's value. What is empty and may be stays out: CloudEvents knows no empty attribute values."""
    empty = [name for name in ("cause", "flowlink", "dryrun", "choices", "refused") if not getattr(envelope, name)]
    fields = {name: getattr(envelope, name) for name in envelope.__struct_fields__ if name not in empty}
    return _encoder.encode(fields)


def decode(value: bytes | None) -> Envelope:
    """Read a record's value.

    Raises Malformed for what is no envelope, and StopWorker for an unknown major schema version: a newer Tandem wrote
    it, and a dead letter of it would lose what this one cannot read.
    """
    if value is None:
        raise Malformed("the record has no value")
    try:
        envelope = _decoder.decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"the record is no event envelope: {error}") from error
    check_version(envelope.schemaversion)
    return envelope


def check_version(version: str) -> None:
    """Raises StopWorker for another major version than ours."""
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise StopWorker(
            f"a record has schema version {version}, this Tandem reads {SCHEMA_VERSION}: "
            "update this service to the version that wrote it, nothing has been skipped"
        )


def timestamp(when: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as `2026-11-23T10:00:00.000Z`."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
