"""What a creation and a change cost in calls to both vendors, with all that comes back of them."""

from __future__ import annotations

from collections import Counter

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


async def test_a_customer_costs_two_calls(tandem: InProcess) -> None:
    """One write at each side: the event shows the customer."""
    tandem.customer()

    assert await cost(tandem) == {"togai customers.create": 1, "stripe customers.update": 1}


async def test_an_event_that_shows_what_the_last_look_left_costs_no_call(tandem: InProcess) -> None:
    """The echo of a write: both sides are known to be equal. A change costs what a look and the writes do."""
    tandem.account()
    customer = tandem.customer()
    await tandem.drain()
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"primaryEmail": "new@acme.test"})
    of_togai = await cost(tandem)
    tandem.change(customer, email="new@globex.test")
    of_stripe = await cost(tandem)

    assert of_togai == {
        "stripe customers.retrieve": 1,
        "togai accounts.retrieve": 1,
        "togai customers.retrieve": 1,
        "stripe customers.update": 1,
    }
    # Tandem made account and customer, so it keeps the address of both.
    assert of_stripe == {
        "togai accounts.retrieve": 1,
        "togai customers.retrieve": 1,
        "stripe customers.retrieve": 1,
        "togai customers.update": 1,
        "togai accounts.update": 1,
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
