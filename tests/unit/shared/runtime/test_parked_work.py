"""What a parked run waits for, as the pool gets it."""

from __future__ import annotations

import pytest
from shared.errors import Blocked, ConnectionClosed, FlowLinkOff, OverwritesHeld, Paused, SyncError, Unavailable
from shared.flows.runs import Parked, Run, encode
from shared.runtime.problems import problem_of
from shared.runtime.records import PARKED_HEADER, work_of


@pytest.mark.parametrize(
    ("error", "closed", "blocked"),
    [
        (ConnectionClosed("con_1", "401"), "con_1", ""),
        (Blocked("con_1", "403", operation="customers.create", fingerprint="f"), "", "con_1"),
        (FlowLinkOff("link_1"), "link_1", ""),
        (Paused("import", "imp_1"), "imp_1", ""),
        (OverwritesHeld("link_1", 20, 600.0), "link_1/overwrites", ""),
        (Unavailable("away"), "", ""),
    ],
)
def test_a_closed_connection_is_waited_for_otherwise_than_a_blocked_run(
    error: SyncError, closed: str, blocked: str
) -> None:
    """The one goes on as soon as the connection is open; the other only when it changes, though it is open."""
    run = Run(
        id="run_1", state="parked", event="e", event_type="t", aggregate="a", connection="con_1", started_at="",
        problem=problem_of(error),
    )  # fmt: skip
    headers = {PARKED_HEADER: encode(Parked(run=run, due=1.0))}
    work = work_of(("customer.delay.1m", 0), 0, b"a", b"{}", headers, lambda: None)

    assert (work.closed, work.blocked) == (closed, blocked)


@pytest.mark.parametrize(
    ("origin", "cancelled"), [("backfill", "imp_1/cancelled"), ("replay", "imp_1/cancelled"), ("live", "")]
)
def test_what_waits_of_an_import_ends_when_that_is_cancelled(origin: str, cancelled: str) -> None:
    """A live event may name what caused it too, and is no part of it."""
    run = Run(
        id="run_1", state="parked", event="e", event_type="t", aggregate="a", connection="con_1", started_at="",
        origin=origin, cause="imp_1",
    )  # fmt: skip
    headers = {PARKED_HEADER: encode(Parked(run=run, due=1.0))}

    assert work_of(("customer.delay.1m", 0), 0, b"a", b"{}", headers, lambda: None).cancelled == cancelled
