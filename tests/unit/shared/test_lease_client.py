"""A worker's half of the limits, step by step."""

from __future__ import annotations

import pytest
from shared.ratelimit.lanes import LaneOf
from shared.ratelimit.lease_client import Purse
from shared.ratelimit.messages import HORIZON, SPELL, Demand, Grant, Hold, Leases
from shared.ratelimit.quotas import Quota, quota_of
from shared.ratelimit.refusals import LONGEST_HOLD
from shared.settings import Settings

from tests.unit.shared.ratelimit_world import ACCOUNT, key

LIVE = key("live")


def asked(epoch: int = 7) -> tuple[Purse, Demand]:
    """A worker of which one call waits, at 0 s, and its demand."""
    purse = Purse("w", lambda _: Quota(10.0), 0.05)
    purse.hear(Leases(epoch=epoch), 0.0)
    demand = purse.message({LIVE: 1}, 0.0)
    assert demand
    return purse, demand


def leased(demand: Demand, after: float = 0.0, epoch: int = 7) -> Leases:
    return Leases(epoch, 1, {"w": demand.n}, [Grant(1, "w", ACCOUNT, "", "live", after)])


@pytest.mark.parametrize(
    ("comes", "after", "used", "usable"),
    [
        (0.01, 0.0, 0.01, True),
        (0.01, 0.05, 0.03, False),
        (0.01, 0.05, 0.07, True),
        (0.01, 0.0, 0.02 + SPELL, False),
        (HORIZON - 0.01, 0.0, HORIZON - 0.005, True),
        (HORIZON - 0.01, 0.0, HORIZON + 0.01, False),
        (HORIZON + 5, 0.0, HORIZON + 5, False),
    ],
)
def test_a_permit_is_used_in_its_time_only(comes: float, after: float, used: float, usable: bool) -> None:
    """From when it is due, for a spell, and never later than the horizon after the demand that it answers."""
    purse, demand = asked()
    purse.hear(leased(demand, after), comes)

    assert (purse.take(LIVE, used) is not None) is usable


def test_a_late_message_shortens_no_spell() -> None:
    """A place that came free while the message was on its way is used at once, and as long as any other."""
    purse, demand = asked()
    purse.hear(Leases(7, 0, at=500.0), 0.001)
    purse.hear(Leases(7, 1, {"w": demand.n}, [Grant(1, "w", ACCOUNT, "", "live", 0.05)], at=500.01), 0.2)

    assert purse.take(LIVE, 0.2 + SPELL - 0.01)


def test_a_place_comes_free_by_the_allocators_clock() -> None:
    """Told by its quickest message, however late the one with the permit is."""
    purse, demand = asked()
    purse.hear(Leases(7, 0, at=500.0), 0.001)
    purse.hear(Leases(7, 1, {"w": demand.n}, [Grant(1, "w", ACCOUNT, "", "live", 0.08)], at=500.01), 0.06)

    assert not purse.take(LIVE, 0.089)
    assert purse.take(LIVE, 0.093)


def test_what_comes_too_late_is_told_as_unused() -> None:
    """So that its place comes free at once."""
    purse, demand = asked()
    purse.hear(leased(demand), HORIZON + 1)
    told = purse.message({LIVE: 1}, HORIZON + 1)

    assert told
    assert told.unused == [1]


def test_a_taken_permit_lapses_too() -> None:
    """Between taking and sending a process may stand still."""
    purse, demand = asked()
    purse.hear(leased(demand), 0.01)
    permit = purse.take(LIVE, 0.02)
    assert permit

    assert not purse.begin(permit, 0.02 + SPELL)


def test_a_former_allocator_is_not_heard() -> None:
    """After the next one began, nothing that the former one leases counts, used or in hand."""
    purse, demand = asked()
    purse.hear(leased(demand), 0.01)
    purse.hear(Leases(epoch=9), 0.02)
    purse.hear(leased(demand), 0.03)

    assert purse.take(LIVE, 0.03) is None


def test_a_silence_is_told_to_the_others_at_once() -> None:
    """Not over the allocator, to whom they listen as before."""
    purse, demand = asked()
    purse.hear(leased(demand), 0.01)
    news = Purse("other", lambda _: Quota(10.0), 0.05).refused(ACCOUNT, "", "", 5.0)
    assert news
    purse.hear(news, 0.02)
    told = purse.message({LIVE: 1}, 0.5)

    assert news.holds == [Hold(ACCOUNT, "", 5.0)]
    assert purse.take(LIVE, 0.03) is None
    assert purse.held_until(ACCOUNT, "") == 5.02
    assert told
    assert (told.epoch, told.got) == (7, 1)


def test_who_told_of_a_silence_does_not_hear_of_it() -> None:
    """It keeps it since it was refused: its own news, a moment later, would make it longer."""
    purse, _ = asked()
    news = purse.refused(ACCOUNT, "", "", 5.0)
    assert news
    purse.hear(news, 0.5)

    assert purse.held_until(ACCOUNT, "") == float("-inf")


@pytest.mark.parametrize(
    ("reason", "asked_for", "told"),
    [
        ("", None, None),
        ("", 0.0, None),
        ("", -2.0, None),
        ("", 900.0, Hold(ACCOUNT, "", LONGEST_HOLD)),
        ("endpoint-rate", 4.0, Hold(ACCOUNT, "create", 4.0)),
        ("global-concurrency", 4.0, Hold(ACCOUNT, "", 4.0)),
        ("resource-specific", 4.0, None),
    ],
)
def test_only_a_silence_that_concerns_others_is_told(reason: str, asked_for: float | None, told: Hold | None) -> None:
    """The account's or one operation's, never for longer than the longest hold."""
    news = asked()[0].refused(ACCOUNT, "create", reason, asked_for)

    assert (news.holds if news else [None]) == [told]


def test_who_has_no_calls_says_nothing() -> None:
    """An idle worker costs no message."""
    purse, demand = asked()
    purse.hear(leased(demand), 0.01)
    permit = purse.take(LIVE, 0.01)
    assert permit
    purse.begin(permit, 0.01)
    purse.end(permit, 0.02)
    last = purse.message({}, 1.5)
    assert last
    purse.hear(Leases(7, 2, {"w": last.n}), 1.51)

    assert purse.message({}, 4.0) is None
    assert purse.due({}, 4.0) == float("inf")


@pytest.mark.parametrize(
    ("account", "quota"),
    [
        ("stripe:live:acct_1", Quota(100, 25, 25)),
        ("stripe:test:acct_1", Quota(25, 25, 25)),
        ("stripe", Quota(25, 25, 25)),
        ("togai:live:org", Quota(10)),
    ],
)
def test_quotas_by_app_and_mode(account: str, quota: Quota) -> None:
    """As the vendors publish them, unless a setting says otherwise."""
    assert quota_of(Settings(_env_file=None), account) == quota
    assert not quota_of(Settings(_env_file=None, stripe_quota=0, togai_quota=0), account).limited


def test_a_promotion_is_told_to_who_waits() -> None:
    """Once; what is live already stays so."""
    told: list[str] = []
    lane = LaneOf("backfill")
    lane.on_promotion.append(lambda: told.append(lane.lane))
    lane.promote()
    lane.promote()

    assert told == ["live"]
