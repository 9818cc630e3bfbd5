"""Cursors and points in time, as they stand in URLs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from console.api.errors import BadRequest
from console.api.paging import Cursor, decode_cursor, encode_cursor, parse_since

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "cursor",
    [
        Cursor("2026-11-23T10:00:00.000Z", "run_1"),
        Cursor("", ""),
        Cursor("2026-11-23T10:00:00.000Z", 'id with "quotes", ünïcode and / slashes'),
    ],
)
def test_a_cursor_survives_the_way_through_a_url(cursor: Cursor) -> None:
    """What was encoded is decoded to the same, and needs no quoting in a URL."""
    text = encode_cursor(cursor)

    assert decode_cursor(text) == cursor
    assert text.replace("-", "").replace("_", "").isalnum() or not text


@pytest.mark.parametrize("text", ["x", "!!!", "WyJhIl0", "eyJhIjoxfQ", "ü", "W1siYSJdXQ"])
def test_a_cursor_that_is_none_is_refused(text: str) -> None:
    """Anything that was not made here is a 400 that says what to do, never a 500."""
    with pytest.raises(BadRequest) as caught:
        decode_cursor(text)

    assert "next_cursor" in caught.value.what_to_do


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T09:00:00Z", "2026-11-23T09:00:00.000Z"),
        ("2026-11-23T09:00:00+02:00", "2026-11-23T07:00:00.000Z"),
        ("2026-11-23", "2026-11-23T00:00:00.000Z"),
        ("30s", "2026-11-23T09:59:30.000Z"),
        ("15m", "2026-11-23T09:45:00.000Z"),
        ("24h", "2026-11-22T10:00:00.000Z"),
        ("7d", "2026-11-16T10:00:00.000Z"),
    ],
)
def test_since_is_a_time_or_a_span(text: str, expected: str) -> None:
    """Both end in the form of the records, so that text compares as time does."""
    assert parse_since(text, NOW) == expected


@pytest.mark.parametrize("text", ["yesterday", "5w", "-3h", "999999d", ""])
def test_since_that_is_no_time_is_refused(text: str) -> None:
    """The answer shows how a time is written."""
    with pytest.raises(BadRequest) as caught:
        parse_since(text, NOW)

    assert "24h" in caught.value.what_to_do
