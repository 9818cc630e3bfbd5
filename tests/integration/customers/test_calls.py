"""What a creation and a change cost in calls to both vendors, with all that comes back of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
from shared.events.envelope import timestamp
from shared.linking.pairs import encode

from tests.stack.imports import imported
from tests.stack.in_process import InProcess

POLLED = ("stripe events.list",)


def calls(tandem: InProcess) -> Counter[str]:
    """Every call so far, by vendor and operation, but for those of pollers."""
    found: Counter[str] = Counter()
    for name in ("stripe", "togai"):
        made = tandem.control.call("GET", "/calls", account=tandem.accounts[name]["id"])["calls"]
        found.update(f"{name} {call['operation']}" for call in made)
    return found - Counter({name: found[name] for name in POLLED})


async def cost(tandem: InProcess) -> Counter[str]:
    """The calls that what a person has just done leads to, the echoes of each write among them."""
    before = calls(tandem)
    await tandem.drain()
    return calls(tandem) - before


async def test_an_account_costs_five_calls(tandem: InProcess) -> None:
    """Three reads, for no list shows Settings, and a write at each side; its echoes cost none."""
    tandem.account()

    assert await cost(tandem) == {
        "togai accounts.retrieve": 1,
        "togai customers.retrieve": 1,
        "togai settings.retrieve": 1,
        "stripe customers.create": 1,
        "togai settings.create": 1,
    }


async def test_an_account_that_a_webhook_and_a_poll_tell_of_is_made_once(tandem: InProcess) -> None:
    """The second event of its creation costs no call."""
    account = tandem.account()
    await tandem.drain()
    before = calls(tandem)
    tandem.reported(account)
    await tandem.work_off()

    assert calls(tandem) == before
    assert tandem.runs(tandem.ref(account, "togai"), "togai.account.created")[-1].state == "in_sync"


async def test_an_account_that_a_poll_finds_among_many_is_made_once(tandem: InProcess) -> None:
    """What it found is handled minutes later then: 70 of them took all of Togai's quota for half a minute, from live
    events too.
    """
    account = tandem.account()
    await tandem.drain()
    before = calls(tandem)
    [found] = [event for event in tandem.delivered if (event.type, event.origin) == ("togai.account.created", "poll")]
    old = timestamp(datetime.now(UTC) - timedelta(minutes=5))
    tandem.deliver(msgspec.structs.replace(found, id="tgp_later", time=old))
    await tandem.work_off()

    assert calls(tandem) == before
    assert tandem.runs(tandem.ref(account, "togai"), "togai.account.created")[-1].state == "in_sync"


async def test_a_polled_account_that_waited_looks_at_both_sides(tandem: InProcess) -> None:
    """Another run has linked its account meanwhile: what the run missed since it began to wait may have no event."""
    customer, _ = (tandem.customer(email="acme@example.test") for _ in range(2))
    await tandem.stood_before()
    account = tandem.account()
    await tandem.drain()
    key = tandem.ref(account, "togai")
    waiting = tandem.parked.pop(key)
    tandem.by_hand("link", account, customer)
    await tandem.work_off()
    tandem.parked[key] = waiting
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"primaryEmail": "new@acme.test"})
    await tandem.go_on(key)

    assert tandem.stripe(customer)["email"] == "new@acme.test"
    assert not tandem.parked


async def test_a_customer_costs_two_calls(tandem: InProcess) -> None:
    """One write at each side: the event shows the customer."""
    tandem.customer()

    assert await cost(tandem) == {"togai customers.create": 1, "stripe customers.update": 1}


async def later(tandem: InProcess) -> None:
    """Time passes: every pair was looked at a minute ago."""
    for customer in tandem.customers():
        for state in tandem.registry.pair_states.known(tandem.linked(customer["id"])).records.values():
            before = msgspec.structs.replace(state, seen_at={side: at - 60.0 for side, at in state.seen_at.items()})
            await tandem.log.append(tandem.topics.pair_states, state.key, encode(before))


async def test_a_change_costs_a_read_of_the_other_side_and_a_write(tandem: InProcess) -> None:
    """The event shows its own side later than the last check did; the echo of the write costs nothing."""
    tandem.account()
    await tandem.drain()
    [customer] = tandem.customers()
    await later(tandem)
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"primaryEmail": "new@acme.test"})

    assert await cost(tandem) == {"stripe customers.retrieve": 1, "stripe customers.update": 1}
    assert tandem.stripe(customer["id"])["email"] == "new@acme.test"


async def test_a_change_in_stripe_costs_the_reads_and_writes_of_togai(tandem: InProcess) -> None:
    """Account and customer are two objects there, and Tandem made both, so it keeps the address of both."""
    customer = tandem.customer()
    await tandem.drain()
    await later(tandem)
    tandem.change(customer, **{"metadata[VATN]": "DE1"})
    of_account = await cost(tandem)
    await later(tandem)
    tandem.change(customer, email="new@globex.test")

    assert of_account == {"togai accounts.retrieve": 1, "togai customers.retrieve": 1, "togai accounts.update": 1}
    assert await cost(tandem) == of_account + Counter({"togai customers.update": 1})


async def test_a_change_right_after_a_look_is_asked_for(tandem: InProcess) -> None:
    """Clocks differ: its event may be of before that look."""
    tandem.account()
    await tandem.drain()
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"primaryEmail": "new@acme.test"})

    assert await cost(tandem) == {
        "stripe customers.retrieve": 1,
        "togai accounts.retrieve": 1,
        "togai customers.retrieve": 1,
        "stripe customers.update": 1,
    }


async def test_a_change_back_to_what_stood_before_is_a_change(tandem: InProcess) -> None:
    """What was looked at last counts, not what was looked at once."""
    account = tandem.account()
    await tandem.drain()
    [customer] = tandem.customers()
    for address in ("second@acme.test", "acme@example.test"):
        tandem.call("togai", "PATCH", "/customers/c-acme", json={"primaryEmail": address})
        await tandem.drain()
        assert tandem.stripe(customer["id"])["email"] == address
    tandem.change(customer["id"], email="by-hand@acme.test")
    await tandem.drain()

    assert set(tandem.linked(customer["id"]).refs) == {tandem.ref(account, "togai"), tandem.ref(customer["id"])}
    [difference] = tandem.registry.pair_states.known(tandem.linked(customer["id"])).differences.values()
    assert difference.values["stripe"] == '"by-hand@acme.test"'


async def test_what_was_read_counts_as_seen_when_it_was_read(tandem: InProcess) -> None:
    """A replayed event is old, and both sides are read for it: what a poll found before that read is no news."""
    tandem.account()
    await tandem.drain()
    [customer] = tandem.customers()
    tandem.change(customer["id"], phone="+1 555")
    await tandem.drain()
    await later(tandem)
    [body] = tandem.call("stripe", "GET", "/v1/events", params={"type": "customer.updated", "limit": 1})["data"]
    event, now = tandem.event_of(body), datetime.now(UTC)
    old = timestamp(now - timedelta(hours=1))
    tandem.deliver(msgspec.structs.replace(event, id="evt_again", origin="replay", time=old))
    await tandem.work_off()
    known = tandem.registry.pair_states.known(tandem.linked(customer["id"]))

    assert known.seen_at.keys() == {"stripe", "togai"}
    assert all(at >= now.timestamp() for at in known.seen_at.values())


async def test_an_event_that_is_handled_once_more_writes_nothing(tandem: InProcess) -> None:
    """A worker that remembers nothing gets a customer's first event again: both sides are as they must be already."""
    customer = tandem.customer()
    await tandem.drain()
    await tandem.restart()
    tandem.deliver(msgspec.structs.replace(tandem.created_again(customer), origin="replay"))

    assert await cost(tandem) == {"stripe customers.retrieve": 1}
    assert tandem.runs(tandem.ref(customer), "created")[-1].state in ("succeeded", "in_sync")


async def test_an_import_costs_three_calls_a_customer(tandem: InProcess) -> None:
    """An import's event only names the customer: it is read once, made in Togai, and gets its ids. One that was
    imported before is read, and Togai is asked for nothing.
    """
    customers = [tandem.customer() for _ in range(4)]
    await tandem.stood_before()
    before = calls(tandem)
    await imported(tandem, "customers", *customers)
    first, echoes = calls(tandem) - before, await cost(tandem)
    before = calls(tandem)
    again = await imported(tandem, "customers", *customers)

    assert first == {"stripe customers.retrieve": 4, "togai customers.create": 4, "stripe customers.update": 4}
    assert echoes == {}
    assert calls(tandem) - before == {"stripe customers.retrieve": 4}
    assert {run.state for run in again.values()} == {"in_sync"}


async def test_an_import_finds_what_changed_since_the_last_one(tandem: InProcess) -> None:
    """A change whose event was lost: the customer is read, and what it shows is written."""
    customer = tandem.customer()
    await tandem.stood_before()
    await imported(tandem, "customers", customer)
    tandem.change(customer, email="later@globex.test")
    await tandem.stood_before()
    await imported(tandem, "customers", customer)

    assert tandem.togai(f"acc_{customer}")["primaryEmail"] == "later@globex.test"
