"""How the page says things."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from console.pages import words

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T10:00:00.000Z", "0 s ago"),
        ("2026-11-23T09:59:48.000Z", "12 s ago"),
        ("2026-11-23T09:00:01.000Z", "59 min ago"),
        ("2026-11-22T10:00:00.000Z", "1 d ago"),
        ("2026-11-23T10:03:00.000Z", "in 3 min"),
        ("", "never"),
        (None, "never"),
        ("soon", "soon"),
    ],
)
def test_a_time_is_shown_from_now(text: str | None, expected: str) -> None:
    """One unit is enough: the exact time stands in the title."""
    assert words.ago(text, NOW) == expected


def test_a_ref_is_shown_in_a_persons_words() -> None:
    """App and noun in words, the id alone."""
    ref = "stripe:test:acct_1/customer/cus_1"

    assert (words.entity_kind(ref), words.entity(ref)) == ("Stripe customer", "cus_1")
    assert (words.entity_kind("evt_1"), words.entity("evt_1")) == ("", "evt_1")


def test_how_long_it_took_is_shown_only_when_it_is_known() -> None:
    """A run that goes on has no end yet."""
    assert words.between("2026-11-23T10:00:00.000Z", "2026-11-23T10:00:00.250Z") == "250 ms"
    assert words.between("2026-11-23T10:00:00.000Z", None) == ""


@pytest.mark.parametrize(
    ("found", "expected"),
    [("Acme", "Acme"), (None, "–"), ("", "–"), ({}, "–"), ({"line1": "Straße 1"}, '{"line1": "Straße 1"}'), (0, "0")],
)
def test_a_value_is_shown_unchanged(found: Any, expected: str) -> None:
    """Text without quotes, nothing as a dash, the rest as JSON that a person can read."""
    assert words.value(found) == expected


@pytest.mark.parametrize(
    ("complete", "seen", "passes", "expected"),
    [(False, 0, 0, "not begun"), (False, 3400, 0, "3,400 read"), (True, 0, 1, "complete"), (True, 50, 9, "complete")],
)
def test_the_first_pass_shows_progress(complete: bool, seen: int, passes: int, expected: str) -> None:
    """How many were read, until all were."""
    assert words.passed(complete, seen, passes) == expected


def test_the_apps_are_those_that_there_are() -> None:
    """One more app, and the sentences name it."""
    assert words.any_app() == "Stripe or Togai"
