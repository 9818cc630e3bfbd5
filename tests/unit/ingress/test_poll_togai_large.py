"""Large organizations: each poll keeps to its share of calls, and nothing is overlooked for ever."""

from __future__ import annotations

import pytest
from shared.errors import Rejected
from structlog.testing import capture_logs

from tests.fakes.polling import TOGAI
from tests.unit.ingress.test_poll_togai import Org

SHARE = 24
"""Calls of one poll in 60 s at 5 % of 10 calls per second, with a fifth of the minute's 30 held for bursts."""


async def large(accounts: int = 5000, size: int = 100) -> Org:
    """An organization whose accounts do not fit into one poll."""
    org = Org(size, quota=10)
    for number in range(accounts):
        org.togai.add(f"c{number}")
    await org.connect()
    return org


async def test_a_small_organization_is_read_whole_at_each_look() -> None:
    """A hundred customers take five calls: both first_pages, and every account."""
    org = Org(quota=10)
    for number in range(100):
        org.togai.add(f"c{number}")
    await org.connect()
    org.clock.now += 3600

    calls = await org.poll(3)

    assert calls <= 6
    assert org.togai.calls[-calls:].count("accounts ACTIVE") == 2


async def test_each_look_keeps_to_its_share() -> None:
    """However many there are; and a full pass over both lists is done in as many polls as its pages need."""
    org = await large()
    passes = org.position("togai-accounts").passes
    with capture_logs() as appended:
        for _ in range(12):
            assert await org.poll() <= SHARE

    assert org.position("togai-accounts").passes > passes
    assert org.position("togai-customers").passes > passes
    assert len([line for line in appended if line["event"] == "poll.large_organization"]) == 1
    assert org.memory.events() == []


async def test_the_last_changes_are_seen_at_once() -> None:
    """The first_pages of the lists show them: an account, a new one, and one whose customer changed."""
    org = await large()
    org.togai.put("accounts", "a-c7", name="changed")
    org.togai.put("customers", "c8", name="changed")
    org.togai.add("new")
    await org.poll()

    assert sorted(org.appended()) == [
        ("a-c7", "updated"),
        ("a-c8", "updated"),
        ("a-new", "created"),
        ("a-new", "updated"),
    ]
    (event,) = org.memory.events("a-c8")
    assert event["data"]["customer"]["name"] == "changed"
    assert event["data"]["account"]["customerId"] == "c8"


async def test_a_change_that_the_heads_do_not_show_is_seen_by_the_full_pass() -> None:
    """It moved nothing to the front, as a vendor may do it; the pass that goes on comes by."""
    org = await large()
    org.togai.rows["accounts"]["a-c7"]["name"] = "changed"
    org.togai.rows["customers"]["c4000"]["name"] = "changed"
    await org.poll(12)

    assert sorted(org.appended()) == [("a-c4000", "updated"), ("a-c7", "updated")]


async def test_many_changed_customers_are_worked_off() -> None:
    """More than one poll has calls for: each account gets its event, once."""
    org = await large()
    for number in range(0, 5000, 50):
        org.togai.put("customers", f"c{number}", name="changed")
    for _ in range(20):
        assert await org.poll() <= SHARE

    assert sorted(org.appended()) == sorted((f"a-c{n}", "updated") for n in range(0, 5000, 50))


async def test_the_full_pass_goes_on_in_another_process() -> None:
    """Its place is durable: restarts do not keep it from ending."""
    org = await large()
    passes = org.position("togai-accounts").passes
    for _ in range(12):
        org.live()
        await org.poll()

    assert org.position("togai-accounts").passes > passes


async def test_customers_changed_before_a_kill_are_not_forgotten() -> None:
    """The customer's entry was written, its account's event was not: the index alone tells the next process."""
    org = await large()
    org.togai.put("customers", "c8", name="changed")
    written = len(org.memory.log.written)
    org.live(left=1)
    with pytest.raises(Exception, match="dead"):
        await org.poll()
    assert len(org.memory.log.written) == written + 1
    org.live()
    await org.poll()

    assert org.appended() == [("a-c8", "updated")]


async def test_a_refused_token_begins_the_pass_again() -> None:
    """A token of yesterday may mean nothing any more; two refused in one pass are a fault that must be seen."""
    org = await large(1500, size=10)
    await org.poll()
    kept = org.position("togai-customers").cursor
    assert kept
    org.togai.refused = {kept.partition(" ")[2]}
    org.live()
    await org.poll()
    assert org.position("togai-customers").cursor not in ("", kept)

    org.togai.refused = {str(number) for number in range(4000)}
    with pytest.raises(Rejected):
        await org.poll()


async def test_a_list_without_order_is_read_whole() -> None:
    """Then its head tells nothing; it is said once."""
    org = Org(size=10)
    org.togai.ordered = False
    for number in range(95):
        org.clock.now += 1
        org.togai.add(f"c{number:03}")
    with capture_logs() as appended:
        await org.connect()
        org.togai.put("customers", "c094", name="changed")
        await org.poll()

    assert org.appended() == [("a-c094", "updated")]
    assert [line["event"] for line in appended].count("poll.unsorted") == 1


async def test_customers_are_read_whole_once_an_hour() -> None:
    """In case that a change does not move the time of the last change."""
    org = Org(size=10)
    for number in range(95):
        org.togai.add(f"c{number}")
    await org.connect()
    await org.poll()
    org.togai.rows["customers"]["c3"]["status"] = "ARCHIVED"
    await org.poll(61)

    assert org.appended() == [("a-c3", "updated")]
    assert org.memory.store.index.get(f"{TOGAI}/account/a-c3").state == "archived"  # type: ignore[union-attr]


async def test_the_first_pass_goes_on_where_it_was_killed() -> None:
    """Its place is written down every ten pages: a kill costs those at most."""
    org = Org(size=10)
    for number in range(1000):
        org.togai.add(f"c{number}")
    org.live(left=700)
    with pytest.raises(Exception, match="dead"):
        await org.connect()
    seen = org.position("togai-customers").seen
    assert seen >= 500
    org.live()
    before = len(org.togai.calls)
    await org.connect()

    assert org.position("togai-customers").seen == 1000
    assert org.togai.calls[before:].count("customers ACTIVE") < 60
    assert len(org.memory.store.index) == 2000
    assert org.memory.events() == []
