"""The pure parts of the pollers: which state is the newest, what an id is made of, what a gap means."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import reduce
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingress.polling.gaps import gap, late, level, meaning
from ingress.polling.pollers import Pollers
from ingress.polling.scheduler import PollDeps
from shared.apps.polling import PollSpec
from shared.apps.stripe.polls import CUSTOMERS, EVENTS
from shared.apps.stripe.readers.entities import from_event, keep_newest, listed_supersedes, supersedes
from shared.apps.togai.polls import ACCOUNTS
from shared.apps.togai.readers.rows import Change, account_entity, customer_entity, events, is_stale
from shared.errors import Malformed
from shared.events.topics import Topics
from shared.linking.index import Entity
from shared.polls import Poll, rfc3339
from shared.runtime.registry import Registry
from shared.settings import Settings

from tests.fakes.polling import NOW, STRIPE, TOGAI, connection, moment

DAY = 24 * 3600.0
REF = f"{STRIPE}/customer/cus_1"


def state(seq: int, email: str = "", deleted: bool = False) -> Entity:
    return Entity(ref=REF, seq=seq, email=email, state="deleted" if deleted else "active")


@pytest.mark.parametrize(
    ("new", "known", "ties", "replaces"),
    [
        (state(1), None, False, True),
        (state(2, "b"), state(1, "a"), False, True),
        (state(1, "b"), state(2, "a"), True, False),
        (state(1, "b"), state(1, "a"), True, True),
        (state(1, "b"), state(1, "a"), False, False),
        (state(1, "a"), state(1, "a"), True, False),
        (state(1, deleted=True), state(1, "a"), False, True),
        (state(9, "b"), state(1, deleted=True), True, False),
    ],
)
def test_which_event_is_newer(new: Entity, known: Entity | None, ties: bool, replaces: bool) -> None:
    """By Stripe's seconds; within one, who knows the order decides; nobody comes back from deletion."""
    assert supersedes(new, known, ties=ties) is replaces


def test_a_list_does_not_set_back_what_an_event_has_shown() -> None:
    """Only what is older than the list by more than clocks differ, and says otherwise, is replaced."""
    assert listed_supersedes(state(5, "a"), None)
    assert listed_supersedes(state(5, "b"), state(4, "a"))
    assert not listed_supersedes(state(5, "a"), state(4, "a"))
    assert not listed_supersedes(state(5, "b"), state(6, "a"))
    assert not listed_supersedes(state(5, "b"), state(4, deleted=True))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12).map(sorted), st.randoms())
def test_events_in_any_order_end_at_the_newest_second(seconds: list[int], chance: Any) -> None:
    """However webhooks overtake each other, the index shows a state of the last second in the end."""
    happened = [state(second, f"{n}") for n, second in enumerate(seconds)]
    chance.shuffle(happened)

    def fed(known: Entity | None, new: Entity) -> Entity:
        return new if known is None or supersedes(new, known, ties=True) else known

    found: Entity | None = reduce(fed, happened, None)

    assert found is not None
    assert found.seq == max(seconds)


def test_a_walk_back_in_time_keeps_the_newest() -> None:
    """The first state that is met, unless the customer was deleted."""
    found: dict[str, Entity] = {}
    for entity in (state(3, "c"), state(2, "b")):
        keep_newest(found, entity)
    assert found[REF].email == "c"

    keep_newest(found, state(1, deleted=True))
    assert found[REF].state == "deleted"


@pytest.mark.parametrize("body", [b"{}", b"no json", b'{"type": "customer.updated", "created": 1, "data": {}}'])
def test_what_shows_no_customer_feeds_nothing(body: bytes) -> None:
    """And is no error: the log holds events of every kind."""
    assert from_event(STRIPE, body) is None
    other = {"type": "charge.failed", "created": 1, "data": {"object": {"id": "ch_1"}}}
    assert from_event(STRIPE, msgspec.json.encode(other)) is None


def account(**fields: Any) -> dict[str, Any]:
    return {"id": "a1", "customerId": "c1", "status": "ACTIVE", "name": "A"} | fields


def test_an_events_id_is_made_of_content_and_count() -> None:
    """The same state in the same place makes the same id; coming back later it makes another."""
    customer = customer_entity(TOGAI, {"id": "c1", "primaryEmail": " C@X.test "})
    first = account_entity(TOGAI, account(), customer, None)
    again = account_entity(TOGAI, dict(reversed(account().items())), customer, None)
    assert first is not None
    other = account_entity(TOGAI, account(name="B"), customer, first)
    back = account_entity(TOGAI, account(), customer, other)
    assert other is not None
    assert back is not None

    def event_id(entity: Entity | None) -> str:
        assert entity
        (event,) = events(Change(entity, account()), connection("togai"), datetime.fromtimestamp(NOW, UTC))
        return event.id

    assert event_id(first) == event_id(again)
    assert len({event_id(e) for e in (first, other, back)}) == 3
    assert first.email == "c@x.test"
    assert account_entity(TOGAI, account(), customer, back) is None


def test_the_index_tells_whose_customer_has_changed() -> None:
    """By the second half of an account's digest."""
    customer = customer_entity(TOGAI, {"id": "c1", "name": "A", "updatedAt": "1"})
    changed = customer_entity(TOGAI, {"id": "c1", "name": "B", "updatedAt": "1"})
    entity = account_entity(TOGAI, account(), customer, None)
    assert entity

    assert customer == customer_entity(TOGAI, {"id": "c1", "name": "A", "updatedAt": "2"})
    assert not is_stale(entity, customer)
    assert is_stale(entity, changed)
    assert not is_stale(entity, None)


@pytest.mark.parametrize(
    "row",
    [{}, {"id": ""}, {"id": 7, "customerId": "c"}, {"id": "x" * 300}, account(name="\ud800"), account(customerId=None)],
)
def test_a_row_without_a_usable_id_or_content_is_malformed(row: dict[str, Any]) -> None:
    """Nothing is guessed."""
    with pytest.raises(Malformed):
        account_entity(TOGAI, row, None, None)


@pytest.mark.parametrize(
    ("days", "found", "says"),
    [
        (0, "ok", ""),
        (19.9, "ok", ""),
        (20.1, "warning", "in 9.9 days"),
        (27.1, "alarm", "in 2.9"),
        (31, "alarm", "lost"),
    ],
)
def test_levels_of_the_gap(days: float, found: str, says: str) -> None:
    """A warning, then an alarm as the gap nears Stripe's 30 days, and what to do when it is beyond them."""
    poll = Poll(app_account=STRIPE, kind="stripe-events", position=moment(NOW - days * DAY))
    seconds = gap(EVENTS, poll, NOW)

    assert seconds == pytest.approx(days * DAY, abs=1)
    assert level(EVENTS, seconds) == found
    assert says in meaning(EVENTS, "Stripe's events", poll, NOW)
    assert bool(meaning(EVENTS, "Stripe's events", poll, NOW)) is bool(says)


@pytest.mark.parametrize(
    ("spec", "complete", "interval", "age", "says"),
    [
        (EVENTS, True, 15.0, 599.0, ""),
        (EVENTS, True, 15.0, 660.0, "last read 11 min ago, it is read every 15 s"),
        (EVENTS, True, 900.0, 2699.0, ""),
        (EVENTS, True, 900.0, 2760.0, "last read 46 min ago, it is read every 15 min"),
        (ACCOUNTS, True, 60.0, DAY, "last read 1440 min ago, it is read every 60 s"),
        (CUSTOMERS, True, 60.0, 9 * DAY, ""),
        (CUSTOMERS, False, 60.0, 700.0, "last read 12 min ago"),
    ],
)
def test_a_list_that_nobody_reads_is_late(
    spec: PollSpec, complete: bool, interval: float, age: float, says: str
) -> None:
    """After three intervals, and ten minutes at least; a pass that has ended needs no further poll."""
    poll = Poll(app_account=STRIPE, kind=spec.kind, complete=complete, at=moment(NOW - age))

    found = late(spec, poll, interval, NOW)

    assert (bool(found), says in found) == (bool(says), True)


def test_other_lists_have_no_gap() -> None:
    """They show the present state, however long nobody looked."""
    assert gap(ACCOUNTS, Poll(app_account=TOGAI, kind="togai-accounts", position=moment(0)), NOW) is None
    assert gap(EVENTS, Poll(app_account=STRIPE, kind="stripe-events"), NOW) is None
    assert level(EVENTS, None) == "ok"


def test_what_was_lost_is_said_for_a_month() -> None:
    """The polls go on, but nobody lists those events any more."""
    lost = f"{moment(NOW - 40 * DAY)}/{moment(NOW - 30 * DAY)}"
    poll = Poll(app_account=STRIPE, kind="stripe-events", position=moment(NOW), lost=lost)

    assert "backfill" in meaning(EVENTS, "Stripe's events", poll, NOW)
    assert meaning(EVENTS, "Stripe's events", poll, NOW + 31 * DAY).startswith("Stripe's events were last read")


def test_the_entry_of_a_deleted_customer_keeps_no_address() -> None:
    """Nobody asks for it by its address any more, and entries have no end."""
    customer = {"id": "cus_1", "object": "customer", "email": "zoe@acme.example"}
    made, gone = (
        from_event(
            "stripe:test:acct_1",
            msgspec.json.encode({"type": f"customer.{what}", "created": 1, "data": {"object": customer}}),
        )
        for what in ("created", "deleted")
    )

    assert made
    assert gone
    assert (made.email, gone.state, gone.email) == ("zoe@acme.example", "deleted", "")


async def test_a_list_that_is_read_once_is_due_no_more() -> None:
    """The customers that stood there before; events tell of all others, at their interval."""
    settings, registry = Settings(_env_file=None), Registry()
    registry.connections["con_stripe"] = connection("stripe")
    for kind in ("stripe-customers", "stripe-events"):
        registry.polls.apply(Poll(app_account=STRIPE, kind=kind, complete=True, at=rfc3339(NOW)))
    deps = PollDeps(settings, Topics(settings), cast(Any, None), registry, cast(Any, None), cast(Any, None))
    shown = {item["kind"]: item["interval"] for item in Pollers(deps).status()["items"]}

    assert shown == {"stripe-customers": None, "stripe-events": 900.0}
