"""What a parked run waits for, as the pool is told it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from shared.errors import Blocked, ConnectionClosed, SyncError, Unavailable
from shared.flows.runner import problem_of
from shared.runs import Parked, Run, encode
from shared.streaming.faust_glue import _work
from shared.streaming.processor import PARKED_HEADER


@pytest.mark.parametrize(
    ("error", "closed", "blocked"),
    [
        (ConnectionClosed("con_1", "401"), "con_1", ""),
        (Blocked("con_1", "403", operation="customers.create", fingerprint="f"), "", "con_1"),
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
    message = SimpleNamespace(offset=0, key=b"a", value=b"{}", headers=headers, topic="customer.delay.1m")
    work = _work(cast(Any, SimpleNamespace(message=message)), ("customer.delay.1m", 0), lambda: None)

    assert (work.closed, work.blocked) == (closed, blocked)
