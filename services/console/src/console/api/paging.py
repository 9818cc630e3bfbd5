"""Cursors: the place of the last item shown, so that what is added meanwhile neither repeats nor hides anything."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from shared.events.envelope import timestamp

from console.api.errors import BadRequest


class Cursor(NamedTuple):
    """Sort value and id of the last item of a page."""

    at: str
    id: str


_decoder = msgspec.json.Decoder(tuple[str, str])
_SPAN = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def encode_cursor(cursor: Cursor) -> str:
    """Opaque, safe in a URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode((cursor.at, cursor.id))).decode().rstrip("=")


def next_cursor(after: tuple[str, str] | None) -> str | None:
    """The cursor of the page that begins after this item; None on the last page."""
    return encode_cursor(Cursor(*after)) if after else None


def decode_cursor(text: str) -> Cursor:
    """Raises BadRequest for what `encode_cursor` did not make."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return Cursor(*_decoder.decode(base64.b64decode(padded, altchars=b"-_", validate=True)))
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise BadRequest(
            "the cursor is none that this API gave", "use `next_cursor` of the page before as it stands, or none"
        ) from error


def parse_since(text: str, now: datetime) -> str:
    """A point in time (RFC 3339) or a span back from now (`15m`, `24h`, `7d`), in the form of the records.

    Raises BadRequest for anything else.
    """
    try:
        if span := _SPAN.fullmatch(text.strip()):
            return timestamp(now - timedelta(**{_UNITS[span[2]]: int(span[1])}))
        when = datetime.fromisoformat(text.strip())
        return timestamp(when if when.tzinfo else when.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise BadRequest(
            f"since={text!r} is no time", "write 2026-11-23T10:00:00Z, or a span back from now as 15m, 24h, 7d"
        ) from error
