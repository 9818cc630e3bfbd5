"""The times that an import is narrowed to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from console.api.imported import item
from console.api.imports import seconds_of
from console.cli.imports import progress
from console.projection.imports import Imported, Outcome
from shared.flows.asked import AskedState
from shared.flows.imports import ImportProgress, ImportRequest


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


@pytest.mark.parametrize(
    ("state", "said"),
    [("running", "; 10/s listed, 2/s handled, at least 40 s left"), ("listed", "; 2/s handled, 40 s left")],
)
def test_how_long_it_takes_is_said_while_it_lists(state: AskedState, said: str) -> None:
    """At the rate so far, of what is listed by now: more may come."""
    request = ImportRequest(
        id="imp_1", requested_at="", kind="customers", flow_link="l", connection="c", created_until=1
    )
    reached = ImportProgress(id="imp_1", state=state, listed=100, written=100, started_at="2026-11-01T00:00:00Z")
    found = Imported(request, reached, Outcome(linked=15, waiting=5, going_on=1))
    shown = item(found, datetime(2026, 11, 1, 0, 0, 10, tzinfo=UTC))

    assert progress(shown.model_dump()).endswith(said)


def test_the_line_of_progress_tells_all_that_is_known() -> None:
    """Of the quota, too: why it is no faster."""
    request = ImportRequest(
        id="imp_1", requested_at="", kind="customers", flow_link="l", connection="c", created_until=1
    )
    reached = ImportProgress(id="imp_1", state="paused", listed=100, written=90, started_at="2026-11-01T00:00:00Z")
    found = Imported(request, reached, Outcome(linked=15, waiting=5, held=3))
    shown = item(found, datetime(2026, 11, 1, 0, 0, 10, tzinfo=UTC)).model_dump()
    use = {"under_way": 1, "concurrency": 0, "back_off": 0.0, "rate": 7.0}
    shown["quota_use"] = [
        use | {"app_account": "stripe:test:acct_1", "quota": 0.0, "last_minute": 40},
        use | {"app_account": "togai:test:org_1", "quota": 10.0, "last_minute": 540},
    ]

    assert progress(shown) == (
        "paused: 100 listed, 90 written, 15 linked, 5 waiting, 3 held; "
        "in the last minute stripe 40 calls; togai 540 calls, 90%"
    )
