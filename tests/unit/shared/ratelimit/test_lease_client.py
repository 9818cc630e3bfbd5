"""A worker's half of the limits, step by step."""

from __future__ import annotations

import pytest
from shared.ratelimit.lanes import WorkPriority
from shared.ratelimit.lease_client import LeaseClient
from shared.ratelimit.messages import HORIZON, LEASE_TTL, BackOff, Demand, Grant, Grants
from shared.ratelimit.quotas import Quota
from shared.ratelimit.refusals import LONGEST_BACK_OFF

from tests.unit.shared.ratelimit.world import ACCOUNT, key

LIVE = key("live")


def asked(epoch: int = 7) -> tuple[LeaseClient, Demand]:
    """A worker of which one call waits, at 0 s, and its demand."""
    client = LeaseClient("w", lambda _: Quota(10.0), 0.05)
    client.receive(Grants(epoch=epoch), 0.0)
    demand = client.message({LIVE: 1}, 0.0)
    assert demand
    return client, demand


def leased(demand: Demand, after: float = 0.0, epoch: int = 7) -> Grants:
    return Grants(epoch, 1, {"w": demand.n}, [Grant(1, "w", ACCOUNT, "", "live", after)])


@pytest.mark.parametrize(
    ("comes", "after", "used", "usable"),
    [
        (0.01, 0.0, 0.01, True),
        (0.01, 0.05, 0.03, False),
        (0.01, 0.05, 0.07, True),
        (0.01, 0.0, 0.02 + LEASE_TTL, False),
        (HORIZON - 0.01, 0.0, HORIZON - 0.005, True),
        (HORIZON - 0.01, 0.0, HORIZON + 0.01, False),
        (HORIZON + 5, 0.0, HORIZON + 5, False),
    ],
)
def test_a_lease_is_used_in_its_time_only(comes: float, after: float, used: float, usable: bool) -> None:
    """From when it is due, for a spell, and never later than the horizon after the demand that it answers."""
    client, demand = asked()
    client.receive(leased(demand, after), comes)

    assert (client.take(LIVE, used) is not None) is usable


def test_a_late_message_shortens_no_fault() -> None:
    """A place that came free while the message was on its way is used at once, and as long as any other."""
    client, demand = asked()
    client.receive(Grants(7, 0, at=500.0), 0.001)
    client.receive(Grants(7, 1, {"w": demand.n}, [Grant(1, "w", ACCOUNT, "", "live", 0.05)], at=500.01), 0.2)

    assert client.take(LIVE, 0.2 + LEASE_TTL - 0.01)


def test_a_place_comes_free_by_the_allocators_clock() -> None:
    """Known from its quickest message, however late the one with the lease is."""
    client, demand = asked()
    client.receive(Grants(7, 0, at=500.0), 0.001)
    client.receive(Grants(7, 1, {"w": demand.n}, [Grant(1, "w", ACCOUNT, "", "live", 0.08)], at=500.01), 0.06)

    assert not client.take(LIVE, 0.089)
    assert client.take(LIVE, 0.093)


def test_what_comes_too_late_is_reported_as_unused() -> None:
    """So that its place comes free at once."""
    client, demand = asked()
    client.receive(leased(demand), HORIZON + 1)
    reported = client.message({LIVE: 1}, HORIZON + 1)

    assert reported
    assert reported.unused == [1]


def test_a_taken_lease_lapses_too() -> None:
    """Between taking and sending a process may stand still."""
    client, demand = asked()
    client.receive(leased(demand), 0.01)
    lease = client.take(LIVE, 0.02)
    assert lease

    assert not client.begin(lease, 0.02 + LEASE_TTL)


def test_a_former_allocator_is_ignored() -> None:
    """After the next one began, nothing that the former one leases counts, used or in hand."""
    client, demand = asked()
    client.receive(leased(demand), 0.01)
    client.receive(Grants(epoch=9), 0.02)
    client.receive(leased(demand), 0.03)

    assert client.take(LIVE, 0.03) is None


def test_a_silence_reaches_the_others_at_once() -> None:
    """Not over the allocator, to whom they listen as before."""
    client, demand = asked()
    client.receive(leased(demand), 0.01)
    news = LeaseClient("other", lambda _: Quota(10.0), 0.05).refused(ACCOUNT, "", "", 5.0)
    assert news
    client.receive(news, 0.02)
    reported = client.message({LIVE: 1}, 0.5)

    assert news.back_offs == [BackOff(ACCOUNT, "", 5.0)]
    assert client.take(LIVE, 0.03) is None
    assert client.backed_off_until(ACCOUNT, "") == 5.02
    assert reported
    assert (reported.epoch, reported.got) == (7, 1)


def test_who_reported_a_silence_does_not_receive_it() -> None:
    """It keeps it since it was refused: its own news, a moment later, would make it longer."""
    client, _ = asked()
    news = client.refused(ACCOUNT, "", "", 5.0)
    assert news
    client.receive(news, 0.5)

    assert client.backed_off_until(ACCOUNT, "") == float("-inf")


@pytest.mark.parametrize(
    ("reason", "asked_for", "reported"),
    [
        ("", None, None),
        ("", 0.0, None),
        ("", -2.0, None),
        ("", 900.0, BackOff(ACCOUNT, "", LONGEST_BACK_OFF)),
        ("endpoint-rate", 4.0, BackOff(ACCOUNT, "create", 4.0)),
        ("global-concurrency", 4.0, BackOff(ACCOUNT, "", 4.0)),
        ("resource-specific", 4.0, None),
    ],
)
def test_only_a_silence_that_concerns_others_is_sent(
    reason: str, asked_for: float | None, reported: BackOff | None
) -> None:
    """The account's or one operation's, never for longer than the longest back_off."""
    news = asked()[0].refused(ACCOUNT, "create", reason, asked_for)

    assert (news.back_offs if news else [None]) == [reported]


def test_who_has_no_calls_says_nothing() -> None:
    """An idle worker costs no message."""
    client, demand = asked()
    client.receive(leased(demand), 0.01)
    lease = client.take(LIVE, 0.01)
    assert lease
    client.begin(lease, 0.01)
    client.end(lease, 0.02)
    last = client.message({}, 1.5)
    assert last
    client.receive(Grants(7, 2, {"w": last.n}), 1.51)

    assert client.message({}, 4.0) is None
    assert client.due({}, 4.0) == float("inf")


def test_a_promotion_reaches_who_waits() -> None:
    """Once; what is live already stays so."""
    reported: list[str] = []
    lane = WorkPriority("backfill")
    lane.on_promotion.append(lambda: reported.append(lane.lane))
    lane.promote()
    lane.promote()

    assert reported == ["live"]
