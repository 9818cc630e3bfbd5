"""What is changed on one side of a linked pair reaches the other, or is shown; archive and deletion are marks."""

from __future__ import annotations

from typing import Any

import pytest
from shared.linking.pairs import Difference

from tests.integration.customers.conftest import Make
from tests.integration.customers.test_first_contact import TO_STRIPE
from tests.stack.in_process import InProcess
from tests.stack.processes import until

ADDRESS = {"phoneNumber": "+1", "line1": "1 St", "city": "Ulm", "country": "DE"}


async def made_in_togai(tandem: InProcess, **fields: Any) -> str:
    """A linked pair that was born in Togai: the Stripe customer's id."""
    tandem.account(**fields)
    await tandem.drain()
    [customer] = tandem.customers()
    return str(customer["id"])


async def made_in_stripe(tandem: InProcess, **fields: str) -> str:
    """A linked pair that was born in Stripe: the Stripe customer's id."""
    customer = tandem.customer(**fields)
    await tandem.drain()
    assert tandem.linked(customer)
    return customer


def differences(tandem: InProcess, customer: str) -> dict[str, Difference]:
    """What differs between the two sides of a pair, and stays so."""
    return dict(tandem.registry.pair_states.known(tandem.linked(customer)).differences)


def mark(tandem: InProcess, customer: str) -> str | None:
    found: str | None = tandem.stripe(customer)["metadata"].get("togai_status")
    return found


def counts(tandem: InProcess, name: str, operation: str) -> int:
    """How often an operation was called at a side, by whomever."""
    found = tandem.control.call("GET", "/calls", account=tandem.accounts[name]["id"])["calls"]
    return len([call for call in found if call["operation"] == operation])


def unarchive(tandem: InProcess, account: str) -> None:
    """A person takes an account out of the archive in Togai's pages."""
    body = {"account": tandem.accounts["togai"]["id"], "togai_account": account}
    tandem.control.call("POST", "/togai/unarchive", body)


def ended(tandem: InProcess) -> bool:
    """Whether no run waits and nothing was given up on."""
    return not tandem.letters() and all(run.state not in ("running", "parked") for run in tandem.runs())


async def test_a_change_is_one_write_and_its_echo_none(tandem: InProcess) -> None:
    """Nobody writes what is there already, however often the same is reported."""
    customer = await made_in_togai(tandem)
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": "Acme II"})
    await tandem.drain()
    echo = next(event for event in reversed(tandem.delivered) if event.type.endswith("customer.updated"))
    tandem.deliver(echo)
    await tandem.drain()

    assert tandem.stripe(customer)["name"] == "Acme II"
    assert tandem.runs(tandem.ref(customer), "customer.updated")[-1].state == "in_sync"
    assert counts(tandem, "stripe", "customers.update") == 1
    assert counts(tandem, "togai", "customers.update") == 1, "the person's own"
    assert counts(tandem, "togai", "accounts.update") == 0
    assert ended(tandem)


async def test_what_the_other_side_changes_is_shown_and_neither_copied_nor_reverted(tandem: InProcess) -> None:
    """The run says who owns the field; both values are at hand until they are equal again."""
    customer = await made_in_togai(tandem)
    tandem.change(customer, name="By hand")
    await tandem.drain()
    run = tandem.runs(tandem.ref(customer), "customer.updated")[-1]
    shown = differences(tandem, customer)
    tandem.call("togai", "PATCH", "/accounts/acme", json={"primaryEmail": "new@acme.test"})
    await tandem.drain()
    found = tandem.stripe(customer)
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": "Acme II"})
    await tandem.drain()

    assert run.state == "in_sync"
    assert "name is owned by Togai" in " ".join(run.steps[0].notes)
    assert (list(shown), shown["name"].owner) == (["name"], "togai")
    assert shown["name"].values == {"togai": '"Customer acme"', "stripe": '"By hand"'}
    assert (found["email"], found["name"]) == ("new@acme.test", "By hand")
    assert tandem.stripe(customer)["name"] == "Acme II"
    assert differences(tandem, customer) == {}


async def test_a_customer_with_two_accounts_reaches_both_stripe_customers(tandem: InProcess) -> None:
    """The name is the customer's; an e-mail address of one account is its own."""
    first = await made_in_togai(tandem, primaryEmail="one@acme.test")
    tandem.call("togai", "POST", "/accounts", json={"id": "two", "name": "Account two", "customerId": "c-acme"})
    await tandem.drain()
    tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": "Both", "primaryEmail": "all@acme.test"})
    await tandem.drain()
    found = {one["id"]: (one["name"], one["email"]) for one in tandem.customers()}
    own = found.pop(first)

    assert own == ("Both", "one@acme.test")
    assert list(found.values()) == [("Both", "all@acme.test")]


async def test_a_call_that_lands_long_after_its_time_out_is_repaired(make: Make) -> None:
    """It sets all that it carries back, the phone number in the address too; the next comparison writes it again."""
    tandem = await make(default_currency="USD", call_timeout=0.3)
    own = {"phone": "+1", "address[line1]": "1 St", "address[country]": "DE"}
    customer = await made_in_stripe(tandem, **own)
    account, org = f"acc_{customer}", tandem.accounts["togai"]["id"]
    match = {"account": org, "operation": "accounts.update"}
    with tandem.control.fault(app="togai", kind="hang_before", match=match, times=1, seconds=2) as fired:
        tandem.change(customer, **{"address[line1]": "2 St"})
        await tandem.drain()
        struck = fired()
    tandem.change(customer, **{"address[line1]": "3 St"})
    await tandem.recheck()
    tandem.change(customer, phone="+2")
    await tandem.recheck()
    before = tandem.togai(account)["address"]

    async def landed() -> bool:
        versions = tandem.control.call("GET", "/history", account=org)["versions"]
        written = [found["body"]["address"]["line1"] for found in versions if found["id"] == account]
        return "2 St" in written[written.index("3 St") :] if "3 St" in written else False

    await until(landed, "the first write at Togai")
    overwritten = tandem.togai(account)["address"]
    await tandem.drain()
    await tandem.recheck()

    wanted = {"line1": "3 St", "country": "DE", "phoneNumber": "+2"}
    assert (struck, before) == (1, wanted)
    assert overwritten != wanted
    assert tandem.togai(account)["address"] == wanted
    assert differences(tandem, customer) == {}
    assert ended(tandem)


async def test_archived_in_togai_is_a_mark_in_stripe_that_goes_again(tandem: InProcess) -> None:
    """And nothing is deleted at Stripe."""
    customer = await made_in_togai(tandem)
    tandem.call("togai", "DELETE", "/accounts/acme")
    await tandem.drain()
    marked = tandem.stripe(customer)
    unarchive(tandem, "acme")
    await tandem.drain()

    assert (marked["metadata"]["togai_status"], marked["metadata"]["togai_account_id"]) == ("archived", "acme")
    assert not marked.get("deleted")
    assert mark(tandem, customer) is None


async def test_unarchived_before_it_had_a_partner(tandem: InProcess) -> None:
    """Nothing is made for an account in the archive; as soon as it leaves it, it gets its Stripe customer."""
    await tandem.link(TO_STRIPE, enabled=False)
    tandem.account()
    await tandem.drain()
    tandem.call("togai", "DELETE", "/accounts/acme")
    await tandem.drain()
    await tandem.link(TO_STRIPE)
    await tandem.drain()
    in_the_archive = tandem.customers()
    unarchive(tandem, "acme")
    await tandem.drain()
    [customer] = tandem.customers()

    assert in_the_archive == []
    assert set(tandem.linked(customer["id"]).refs) == {tandem.ref("acme", "togai"), tandem.ref(customer["id"])}


@pytest.mark.parametrize("kind", ["error_before", "error_after"])
async def test_deleted_while_its_other_side_is_being_made(tandem: InProcess, kind: str) -> None:
    """The claim is brought to an end, whether the account was made or not: nobody waits for it for ever."""
    org = tandem.accounts["togai"]["id"]
    create = {"account": org, "operation": "customers.create"}
    look = {"account": org, "operation": "accounts.retrieve"}
    settings = {"account": org, "operation": "settings.retrieve"}
    with (
        tandem.control.fault(app="togai", kind=kind, match=create),
        tandem.control.fault(app="togai", kind="error_before", match=look),
        tandem.control.fault(app="togai", kind="error_before", match=settings),
    ):
        customer = tandem.customer()
        await tandem.drain("stripe")
        waiting = tandem.runs(tandem.ref(customer), "customer.created")[-1]
        tandem.call("stripe", "DELETE", f"/v1/customers/{customer}")
    await tandem.recheck()
    claim = tandem.links.claim_of(tandem.ref(customer), tandem.registry.connections["togai"].app_account)

    assert waiting.state == "parked"
    assert claim
    assert claim.state == ("withdrawn" if kind == "error_before" else "deleted")
    assert "was deleted in Stripe" in claim.reason
    assert len(tandem.organization()) == (0 if kind == "error_before" else 1)
    assert ended(tandem)


async def test_archived_while_its_other_side_is_being_made(tandem: InProcess) -> None:
    """What was begun is brought to an end: the customer is made, and marked as archived."""
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "customers.create"}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        tandem.account()
        await tandem.drain()
        waiting = tandem.runs(tandem.ref("acme", "togai"), "account.created")[-1]
        tandem.call("togai", "DELETE", "/accounts/acme")
    await tandem.recheck()
    [customer] = tandem.customers()

    assert waiting.state == "parked"
    assert mark(tandem, customer["id"]) == "archived"
    assert tandem.linked(customer["id"])
    assert ended(tandem)


@pytest.mark.parametrize("origin", ["togai", "stripe"])
async def test_deleted_in_stripe_is_a_state_of_the_link(tandem: InProcess, origin: str) -> None:
    """The account stays active, and no later event makes the customer again."""
    customer = await (made_in_togai(tandem) if origin == "togai" else made_in_stripe(tandem))
    account, above = ("acme", "c-acme") if origin == "togai" else (f"acc_{customer}", customer)
    tandem.call("stripe", "DELETE", f"/v1/customers/{customer}")
    await tandem.drain()
    tandem.call("togai", "PATCH", f"/customers/{above}", json={"name": "Still here"})
    await tandem.drain()
    compared = tandem.runs(tandem.ref(account, "togai"), "account.updated")[-1]
    pair = tandem.pair(tandem.ref(customer))

    assert pair
    assert (pair.state, "was deleted in Stripe" in pair.reason) == ("deleted", True)
    assert "deleted in Stripe" in compared.reason
    assert tandem.togai(account)["status"] == "ACTIVE"
    assert tandem.customers() == []
    assert ended(tandem)


async def test_stripes_changes_wait_while_the_account_is_archived(tandem: InProcess) -> None:
    """Togai takes no changes then: a difference says so, and it goes by itself."""
    customer = await made_in_stripe(tandem)
    tandem.call("togai", "DELETE", f"/accounts/acc_{customer}")
    await tandem.drain()
    tandem.change(customer, name="Globex II")
    await tandem.drain()
    shown = differences(tandem, customer)
    unarchive(tandem, f"acc_{customer}")
    await tandem.drain()

    assert [("archived in Togai" in found.reason) for found in shown.values()] == [True]
    assert tandem.togai(f"acc_{customer}")["customer"]["name"] == "Globex II"
    assert differences(tandem, customer) == {}


async def test_two_that_write_the_same_pair_in_turn_are_parked(make: Make) -> None:
    """After five writes it does not settle, and says so; when it is quiet, the owner's last value stands there."""
    tandem = await make(default_currency="USD", delay_scale=1)
    customer = await made_in_togai(tandem)
    for number in range(6):
        tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": f"Acme {number}"})
        await tandem.drain()
    waiting = tandem.runs(tandem.ref("acme", "togai"), "account.updated")[-1]
    written = tandem.stripe(customer)["name"]
    tandem.waited += 600
    await tandem.recheck()

    assert (waiting.state, "does not settle" in waiting.reason) == ("parked", True)
    assert written == "Acme 4"
    assert tandem.stripe(customer)["name"] == "Acme 5"
    assert ended(tandem)


async def test_an_error_after_the_write_is_checked_again_and_not_written_twice(tandem: InProcess) -> None:
    """500 after the commit: setting a state is decided on what both sides say then."""
    customer = await made_in_togai(tandem)
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "customers.update"}
    with tandem.control.fault(app="stripe", kind="error_after", match=match, times=1) as fired:
        tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": "Acme II"})
        await tandem.drain()
        struck = fired()
    # Nobody saw the write's end, so it is known for ten minutes; the echo's run waits for that.
    tandem.waited += 600
    await tandem.recheck()

    assert struck == 1
    assert tandem.stripe(customer)["name"] == "Acme II"
    assert counts(tandem, "stripe", "customers.update") == 1
    assert differences(tandem, customer) == {}
    assert ended(tandem)
