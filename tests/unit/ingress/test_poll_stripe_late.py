"""Events that Stripe lists late: found by the overlap, or once a day, and never twice."""

from __future__ import annotations

import pytest
from shared.apps.stripe.readers.events import Window
from shared.errors import Unavailable
from shared.polls import epoch

from tests.fakes.polling import NOW
from tests.unit.ingress.stripe_account import DAY, HOUR, Account


async def test_an_event_that_is_listed_late_is_found() -> None:
    """It appears behind events that were seen before: the polls overlap."""
    account = Account()
    late = account.stripe.happen(NOW + 5)
    account.stripe.hidden = {late}
    newer = account.stripe.happen(NOW + 10)
    await account.poll()
    assert account.memory.ids() == [newer]
    account.clock.now += 200
    account.stripe.hidden = set()
    await account.poll()

    assert account.memory.ids() == [newer, late]


@pytest.mark.parametrize("late", [600.0, 14 * 60.0])
async def test_an_event_that_is_listed_minutes_late_is_found(late: float) -> None:
    """By the overlap alone, at the next poll; it comes once, and nothing that was in the log comes again."""
    account = Account()
    await account.poll()
    newer = [account.stripe.happen(account.clock() + 15 * n) for n in range(60)]
    hidden = account.stripe.happen(account.clock() + 15)
    account.stripe.hidden = {hidden}
    await account.poll(int(late / 15))
    account.stripe.hidden = set()
    await account.poll(4)

    assert account.memory.ids().count(hidden) == 1
    assert sorted(account.memory.ids()) == sorted([*newer, hidden])


@pytest.mark.parametrize("late", [HOUR, 20 * HOUR])
@pytest.mark.parametrize("again", [False, True], ids=["one process", "another process"])
async def test_an_event_that_is_listed_hours_late_is_found_within_a_day(late: float, again: bool) -> None:
    """The last two days are read once more each day, by whichever process it is; what is known stays as it is."""
    account = Account(Window(interval=HOUR / 2, overlap=900, grace=0))
    await account.poll(30 * 2)
    hidden = account.stripe.happen(account.clock() + 1)
    account.stripe.hidden = {hidden}
    for _ in range(int(late / account.window.interval)):
        account.stripe.happen(account.clock() + 2)
        await account.poll()
    account.stripe.hidden = set()
    if again:
        account.live()
    await account.poll(24 * 2 + 1)

    assert sorted(account.memory.ids()) == sorted(e["id"] for e in account.stripe.happened)
    assert account.position.found == len(account.stripe.happened)


async def test_an_event_that_is_listed_late_while_nobody_polls_is_found() -> None:
    """After three days away the long poll goes back a day behind the one before it."""
    account = Account(Window(interval=HOUR / 2, overlap=900, grace=0))
    await account.poll(40)
    late = account.stripe.happen(account.clock() + 1)
    account.stripe.hidden = {late}
    account.stripe.happen(account.clock() + 900)
    await account.poll(2)
    account.clock.now += 3 * DAY
    account.live()
    account.stripe.hidden = set()
    await account.poll()

    assert late in account.memory.ids()


async def test_the_last_days_are_read_once_a_day() -> None:
    """A hundred events cost a call: it is a small part of the pollers' share."""
    account = Account(Window(interval=HOUR, overlap=900, grace=0))
    for n in range(2000):
        account.stripe.happen(NOW + n * 2 * DAY / 2000)
    await account.poll(24 * 2)
    before = len(account.stripe.calls)
    await account.poll(24)

    assert len(account.stripe.calls) - before <= 24 + 2000 / account.stripe.size + 1


async def test_a_long_look_that_fails_holds_up_no_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again an hour later; what happens meanwhile comes as soon as ever."""
    monkeypatch.setattr("shared.apps.stripe.readers.events.PAGE_PATIENCE", 0.0)
    account = Account(Window(interval=60, overlap=900, grace=0), size=1)
    await account.poll()
    for n in range(3):
        account.stripe.happen(account.clock() + n)
    account.clock.now += DAY
    await account.poll()
    account.clock.now += DAY + HOUR
    asked: list[int] = []

    def refuse() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise Unavailable("away")

    account.stripe.during = refuse
    await account.poll()
    account.stripe.during = lambda: None
    quick = account.stripe.happen(account.clock() + 1)
    calls = len(account.stripe.calls)
    await account.poll()

    assert quick in account.memory.ids()
    assert len(account.stripe.calls) - calls == 1
    account.clock.now += HOUR
    await account.poll()
    assert account.clock() - epoch(account.position.reread_at) == 0
