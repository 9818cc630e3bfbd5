"""The times that an import is narrowed to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from console.api.imports import seconds_of


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that is not in UTC."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
def test_a_time_without_a_zone_is_in_utc_on_every_machine() -> None:
    """As the foreground import has it: the same day means the same customers."""
    assert seconds_of(datetime.fromisoformat("2026-11-01")) == int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
    assert seconds_of(datetime.fromisoformat("2026-11-01T05:30+05:30")) == seconds_of(
        datetime.fromisoformat("2026-11-01")
    )
    assert seconds_of(None) == 0
