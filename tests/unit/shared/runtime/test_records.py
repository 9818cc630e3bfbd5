"""A record of an input topic as work: in the lane that it came in, wherever it waited meanwhile."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from shared.events import envelope as envelopes
from shared.flows import runs
from shared.flows.runs import Parked, Run
from shared.ratelimit.lanes import Lane
from shared.runtime.pool import Work
from shared.runtime.records import PARKED_HEADER, work_of

from tests.integration.runtime.harness import event

EVENTS, REPLAY, DELAY = "customer.events", "customer.replay", "customer.delay.10m"
RUN = Run(
    id="run_1",
    state="parked",
    event="evt_1",
    event_type="stripe.customer.created",
    aggregate="a",
    connection="c",
    started_at="",
)


def work(topic: str, value: bytes | None = None, parked: bytes | None = None, **changes: Any) -> Work:
    """A record of partition 2."""
    given = envelopes.encode(event(**changes)) if value is None else value
    headers = {PARKED_HEADER: parked} if parked is not None else {}
    return work_of((topic, 2), 7, b"stripe:test:acct_1/customer/cus_1", given, headers, lambda: None)


def parked(**changes: Any) -> bytes:
    """The header of a run that waits."""
    given: dict[str, Any] = {"run": RUN, "due": 5.0}
    return runs.encode(Parked(**(given | changes)))


@pytest.mark.parametrize(
    ("topic", "origin", "kept", "lane"),
    [
        (EVENTS, "live", None, "live"),
        (EVENTS, "poll", None, "live"),
        (REPLAY, "live", None, "replay"),
        (REPLAY, "replay", None, "replay"),
        (REPLAY, "backfill", None, "backfill"),
        (REPLAY, "live", "live", "replay"),
        (DELAY, "live", "live", "live"),
        (DELAY, "live", "replay", "replay"),
        (DELAY, "replay", "replay", "replay"),
        (DELAY, "backfill", "backfill", "backfill"),
        (DELAY, "live", "", "live"),
        (DELAY, "replay", "", "replay"),
        (DELAY, "backfill", "", "backfill"),
    ],
)
def test_the_lane_of_a_record(topic: str, origin: str, kept: str | None, lane: Lane) -> None:
    """By its topic, its origin and, where it was parked, by what it came in: a hundred thousand events of a backfill
    that wait for a connection must not come back as live ones.
    """
    header = None if kept is None else parked(lane=kept)
    found = work(topic, origin=origin, parked=header)

    assert (found.lane.lane, found.lane.initial_lane) == (lane, lane)


def test_an_event_for_one_flow_link_folds_with_no_other_one() -> None:
    """It would end the runs of all the others. What an import does at a conflict is another matter too, and a dry run
    does nothing at all.
    """
    live, again = work(EVENTS), work(REPLAY, origin="replay")
    imported, caught_up = (work(REPLAY, origin=origin, flowlink="link_1") for origin in ("backfill", "replay"))
    dry = work(REPLAY, origin="replay", dryrun=True)

    assert [one.foldable for one in (live, again, imported, caught_up, dry)] == [True, True, False, False, False]
    assert [one.quiet for one in (live, imported, dry)] == [False, False, True]


def test_an_older_tandems_header_is_read() -> None:
    """It names no lane."""
    plain = msgspec.json.decode(parked(lane="replay"))
    del plain["lane"]

    assert work(DELAY, parked=msgspec.json.encode(plain)).lane.lane == "live"


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"[" * 50_000 + b"]" * 50_000])
@pytest.mark.parametrize("header", [None, b"{nonsense"])
def test_what_cannot_be_read_is_work_too(value: bytes, header: bytes | None) -> None:
    """Whoever does it makes it a dead letter; nothing is lost here."""
    found = work(EVENTS, value, header)

    assert (found.value, found.parked, found.foldable, found.due) == (value, header, False, 0.0)
