"""Polls of Stripe's events, against a Stripe in memory: nothing missing stays out, nothing known comes twice."""

from __future__ import annotations

import pytest
from shared.apps.stripe.readers.events import MARGIN, ON_ITS_WAY, Window, poll_window
from shared.errors import RateLimited, Unavailable
from shared.polls import epoch
from shared.settings import Settings
from structlog.testing import capture_logs

from tests.fakes.polling import NOW, STRIPE
from tests.unit.ingress.stripe_account import DAY, HOOKED, POLLING_ONLY, Account


async def test_what_is_missing_is_appended_once_oldest_first() -> None:
    """Of every type, with its origin, and counted; what is in the log already stays as it is."""
    account = Account(size=2)
    await account.poll()
    happened = [
        account.stripe.happen(account.clock() + n, kind) for n, kind in enumerate(("charge.failed", "a.b", "c.d"))
    ]
    known = account.stripe.happen(account.clock() + 5)
    await account.webhook(known)
    await account.poll(3)

    assert account.memory.ids() == [known, *happened]
    assert [e["origin"] for e in account.memory.events()] == ["live", "poll", "poll", "poll"]
    assert (account.position.found, account.position.passes, account.position.complete) == (3, 4, True)


async def test_a_look_over_many_pages_outlives_a_refusal() -> None:
    """The page is asked for again, not all pages before it."""
    account = Account(size=1)
    await account.poll()
    happened = [account.stripe.happen(account.clock() + n) for n in range(4)]
    asked = len(account.stripe.calls)

    def refuse_once() -> None:
        if len(account.stripe.calls) == asked + 3:
            raise RateLimited("too many", reason="global-rate")

    account.stripe.during = refuse_once
    await account.poll()

    assert account.memory.ids() == happened
    assert len(account.stripe.calls) == asked + 5


async def test_what_happened_before_the_connection_is_not_ours() -> None:
    """However far a poll goes back, it ends a minute before the connection was made."""
    account = Account(HOOKED)
    account.stripe.happen(NOW - 100)
    just = account.stripe.happen(NOW - 30)
    await account.poll(3)

    assert account.memory.ids() == [just]


async def test_a_webhook_on_its_way_is_waited_for() -> None:
    """Two minutes, and not a whole interval; the place up to which everything is in does not pass it."""
    account = Account(HOOKED)
    await account.poll()
    slow = account.stripe.happen(account.clock() + HOOKED.interval - 10)
    account.stripe.happen(account.clock() + HOOKED.interval - 5)
    due = await account.poll()
    assert account.memory.ids() == []
    assert epoch(account.position.position) <= account.clock() - 10
    assert due == ON_ITS_WAY
    await account.webhook(slow)
    account.clock.now += due - HOOKED.interval
    await account.poll()

    assert [e["origin"] for e in account.memory.events()] == ["live", "poll"]


async def test_a_vendor_whose_clock_is_ahead_holds_nothing_up() -> None:
    """By its own time the event is of tomorrow: after two minutes by our clock it is appended all the same."""
    account = Account(HOOKED)
    ahead = account.stripe.happen(NOW + DAY)
    await account.poll(2)

    assert account.memory.ids() == [ahead]


async def test_without_events_the_place_moves_on_behind_our_clock() -> None:
    """A quiet account is no gap; and if our clock is ahead, the next poll goes back far enough."""
    account = Account()
    await account.poll(100)

    assert account.clock() - epoch(account.position.position) <= MARGIN + account.window.interval


async def test_a_flood_is_taken_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest first, the rest at once: memory is bounded and nothing is left out."""
    monkeypatch.setattr("shared.apps.stripe.readers.events.KEPT", 10)
    account = Account(size=7)
    happened = [account.stripe.happen(NOW + n // 2) for n in range(45)]
    account.clock.now += 100
    polls, pass_began_at = 1, []
    while await account.poll() == 0:
        polls += 1
        pass_began_at.append(account.position.pass_began_at)

    assert account.memory.ids() == happened
    assert polls == 5
    assert set(pass_began_at) == {""}  # the newest are not in the index before the last piece
    assert epoch(account.position.pass_began_at) == account.clock.now


async def test_an_event_that_cannot_be_taken_is_reported_once() -> None:
    """The wrong mode, another account's, one without a time: counted and stepped over, with the others taken."""
    account = Account()
    account.stripe.happen(NOW + 1, livemode=True)
    good = account.stripe.happen(NOW + 2)
    account.stripe.happen(NOW + 3, account="acct_other")
    account.stripe.happen(NOW + 4)
    account.stripe.happened[-1]["created"] = "yesterday"
    with capture_logs() as logged:
        await account.poll(3)

    assert account.memory.ids() == [good]
    assert [line["event"] for line in logged].count("poll.refused_event") == 2
    assert account.position.found == 1


async def test_a_list_of_nothing_readable_does_not_hold_us_for_ever() -> None:
    """The cursor would not move: the poll fails, visibly."""
    account = Account(size=1)
    for _ in range(3):
        account.stripe.happen(NOW + 1)
        account.stripe.happened[-1]["created"] = "yesterday"

    with pytest.raises(Unavailable, match="cannot be followed"):
        await account.poll()


async def test_dead_at_any_append_leaves_no_gap() -> None:
    """Whatever the last confirmed record was, the next process ends with every event, and repeats ids only."""

    async def lives(die_at: int | None) -> tuple[Account, bool]:
        account, finished = Account(size=3), True
        account.live(die_at)
        try:
            await account.poll()
            await happen(account)
            await account.poll(2)
        except Unavailable:
            finished = False
            account.live()
            await happen(account)
            await account.poll(2)
        return account, finished

    async def happen(account: Account) -> None:
        for n in range(len(account.stripe.happened), 10):
            account.stripe.happen(NOW + 20 + n, subject=f"cus_{n % 3}", customer={"email": f"{n}@x.test"})

    whole, _ = await lives(None)
    assert len(whole.memory.ids()) == 10
    die_at, finished = 1, False
    while not finished:
        account, finished = await lives(die_at)
        assert set(account.memory.ids()) == set(whole.memory.ids()), die_at
        assert [account.entity(f"cus_{n}").email for n in range(3)] == ["9@x.test", "7@x.test", "8@x.test"]
        die_at += 1
    assert die_at > 10


async def test_events_that_nobody_lists_any_more_are_reported() -> None:
    """Off for 40 days: what happened in the first ten is lost, and the customers are listed again for the index."""
    account = Account()
    await account.poll()
    await account.customers.poll_once(account.connection, account.stripe)
    account.clock.now += 40 * DAY
    with capture_logs() as logged:
        await account.poll()

    assert [line["event"] for line in logged].count("poll.events_lost") == 1
    since, _, until = account.position.lost.partition("/")
    assert epoch(until) - epoch(since) == pytest.approx(10 * DAY, abs=3600)
    assert not account.memory.store.polls.get(STRIPE, "stripe-customers").complete
    await account.poll()
    assert account.position.lost


async def test_a_connection_of_long_ago_has_lost_nothing() -> None:
    """At first sight a poll goes back as far as Stripe does."""
    account = Account(made=NOW - 100 * DAY)
    account.clock.now = NOW
    event = account.stripe.happen(NOW - 29 * DAY)
    await account.poll()

    assert account.memory.ids() == [event]
    assert account.position.lost == ""


async def test_the_index_ends_at_the_newest_state() -> None:
    """Two changes within a second are ordered by the list's order, and a deleted customer stays deleted."""
    account = Account()
    for n in range(4):
        account.stripe.happen(NOW + 5, customer={"email": f"{n}@x.test"})
    account.stripe.happen(NOW + 5, "customer.deleted", subject="cus_2")
    account.stripe.happen(NOW + 5, "customer.updated", subject="cus_2", customer={"email": "late@x.test"})
    await account.poll(2)

    assert account.entity("cus_1").email == "3@x.test"
    assert account.entity("cus_2").state == "deleted"


async def test_the_first_pass_lists_every_customer() -> None:
    """Page by page, from where an earlier process was killed; an address that an event showed is newer."""
    account = Account(size=2)
    account.stripe.customers = [{"id": f"cus_{n}", "email": f"{n}@List.test"} for n in range(9)]
    account.stripe.happen(NOW + 15, subject="cus_8", customer={"email": "event@x.test"})
    await account.poll()
    account.live(left=5)
    with pytest.raises(Unavailable):
        await account.customers.poll_once(account.connection, account.stripe)
    account.live()
    before = len(account.stripe.calls)
    await account.customers.poll_once(account.connection, account.stripe)
    poll = account.memory.store.polls.get(STRIPE, "stripe-customers")

    assert (poll.complete, poll.seen, poll.cursor) == (True, 9, "")
    assert len(account.stripe.calls) - before < 5
    assert account.entity("cus_8").email == "event@x.test"
    assert {account.entity(f"cus_{n}").email for n in range(8)} == {f"{n}@list.test" for n in range(8)}
    assert account.memory.ids() == ["evt_0"]


async def test_a_cursor_whose_customer_is_deleted_begins_again() -> None:
    """Stripe knows no place behind a customer that is not there."""
    account = Account(size=2)
    account.stripe.customers = [{"id": f"cus_{n}", "email": None} for n in range(5)]
    account.live(left=2)
    with pytest.raises(Unavailable):
        await account.customers.poll_once(account.connection, account.stripe)
    account.live(left=3)
    with pytest.raises(Unavailable):
        await account.customers.poll_once(account.connection, account.stripe)
    cursor = account.memory.store.polls.get(STRIPE, "stripe-customers").cursor
    account.stripe.customers = [c for c in account.stripe.customers if c["id"] != cursor]
    account.live()
    await account.customers.poll_once(account.connection, account.stripe)

    assert account.memory.store.polls.get(STRIPE, "stripe-customers").complete
    assert len(account.memory.store.index) == 5


@pytest.mark.parametrize(
    ("public", "mode", "window"),
    [
        ("https://hooks.example.test", "live", HOOKED),
        ("https://hooks.example.test", "test", HOOKED),
        ("", "live", Window(600, 900, 0)),
        ("", "test", POLLING_ONLY),
    ],
)
def test_the_window_by_settings(public: str, mode: str, window: Window) -> None:
    """Where webhooks come in polls are seldom, overlap by one and wait; else they are the only source."""
    settings = Settings(_env_file=None, public_url=public, stripe_api_key="sk_test_x", togai_api_token="t")

    assert poll_window(settings, mode) == window


async def test_payments_are_counted_once() -> None:
    """By day, whoever brought their events, however many polls list them: Stripe allows so many reads for each."""
    account = Account()
    await account.poll()
    brought = account.stripe.happen(account.clock() + 1, "charge.succeeded")
    account.stripe.happen(account.clock() + 2, "charge.succeeded")
    account.stripe.happen(account.clock() + 3, "charge.failed")
    await account.webhook(brought)
    await account.poll(5)
    account.live()
    await account.poll(80)

    assert sum(account.position.payments.values()) == 2
