"""What a person decided holds until a person decides otherwise: across restarts, redeliveries and news."""

from __future__ import annotations

import pytest

from tests.integration.customers.test_first_contact import TO_STRIPE, TO_TOGAI
from tests.stack.in_process import InProcess


async def linked(tandem: InProcess) -> str:
    """A customer whose account was linked by its address."""
    await tandem.link(TO_STRIPE, enabled=False)
    tandem.account(primaryEmail="one@x.test")
    await tandem.drain()
    customer = tandem.customer(email="one@x.test")
    await tandem.drain()
    await tandem.link(TO_STRIPE)
    assert tandem.pair(tandem.ref(customer)) is not None
    return customer


async def unlinked(tandem: InProcess) -> str:
    """The same, and a person took the link back."""
    customer = await linked(tandem)
    tandem.by_hand("unlink", "acme", customer, reason="two firms")
    await tandem.drain()
    assert tandem.pair(tandem.ref(customer)) is None
    return customer


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_creation_that_comes_again_does_not_link_what_was_unlinked(tandem: InProcess, restarted: bool) -> None:
    """The ids stay away from both sides, and the run says who decided."""
    customer = await unlinked(tandem)
    if restarted:
        await tandem.restart()
    tandem.deliver(tandem.created_again(customer))
    await tandem.drain()
    last = tandem.runs(tandem.ref(customer), "created")[-1]

    assert tandem.pair(tandem.ref(customer)) is None
    assert "togai_account_id" not in tandem.stripe(customer)["metadata"]
    assert not tandem.setting("acme")
    assert last.state == ("skipped" if restarted else "succeeded")
    assert not restarted or "unlinked by hand: two firms" in last.reason


async def test_archive_and_unarchive_do_not_link_what_was_unlinked(tandem: InProcess) -> None:
    """An account that leaves the archive is reported as created: nothing follows."""
    customer = await unlinked(tandem)
    org = tandem.accounts["togai"]["id"]
    tandem.call("togai", "DELETE", "/accounts/acme")
    await tandem.drain()
    tandem.control.call("POST", "/togai/unarchive", {"account": org, "togai_account": "acme"})
    await tandem.restart()
    await tandem.drain()

    assert tandem.pair(tandem.ref(customer)) is None
    assert [found["id"] for found in tandem.customers()] == [customer]


async def test_a_rule_does_not_link_an_unlinked_one_to_a_third(tandem: InProcess) -> None:
    """A new account with its address is a conflict that names it: a person decides."""
    customer = await unlinked(tandem)
    tandem.account("third", primaryEmail="one@x.test")
    await tandem.drain()
    last = tandem.runs(tandem.ref("third", "togai"), "created")[-1]

    assert last.problem
    assert last.problem.error == "Conflict"
    assert tandem.ref(customer) in last.problem.candidates
    assert tandem.pair(tandem.ref(customer)) is None


async def test_an_unlinked_one_that_is_alone_with_its_address_is_linked_by_no_rule(tandem: InProcess) -> None:
    """Its former partner has another address by now, so the new account has no rival: a person decides."""
    customer = await unlinked(tandem)
    tandem.call("togai", "PATCH", "/accounts/acme", json={"primaryEmail": "moved@x.test"})
    await tandem.drain()
    tandem.account("third", primaryEmail="one@x.test")
    await tandem.drain()
    last = tandem.runs(tandem.ref("third", "togai"), "created")[-1]

    assert last.problem
    assert (last.problem.code, last.problem.candidates) == ("same_email", [tandem.ref(customer)])
    assert tandem.pair(tandem.ref(customer)) is None


async def test_who_was_unlinked_gets_its_own_when_a_person_says_so(tandem: InProcess) -> None:
    """Its creation is looked at once more; the former partner stays unlinked."""
    customer = await unlinked(tandem)
    tandem.by_hand("separate", "", customer)
    await tandem.drain()
    pair = tandem.pair(tandem.ref(customer))

    assert pair is not None
    assert pair.target == tandem.ref(f"acc_{customer}", "togai")
    assert tandem.pair(tandem.ref("acme", "togai")) is None


async def test_a_person_may_link_again_what_a_person_unlinked(tandem: InProcess) -> None:
    """The later decision holds, and is undone by a later one."""
    customer = await unlinked(tandem)
    tandem.by_hand("link", "acme", customer)
    await tandem.drain()
    again = tandem.pair(tandem.ref(customer))
    await tandem.restart()

    assert again is not None
    assert again.rule == "manual"
    assert tandem.setting("acme") == customer
    assert tandem.links.unlinked(tandem.ref(customer)) == []


async def test_a_partner_that_was_left_behind_is_not_proposed_again(tandem: InProcess) -> None:
    """The account was given another customer: the first one's creation, sent again, asks nobody."""
    customer = await linked(tandem)
    other = tandem.customer(email="other@x.test")
    await tandem.link(TO_TOGAI, enabled=False)
    await tandem.drain()
    for left in [pair for pair in [tandem.pair(tandem.ref(other))] if pair]:
        raise AssertionError(left)
    tandem.by_hand("relink", "acme", other)
    await tandem.drain()
    await tandem.link(TO_TOGAI)
    await tandem.restart()
    tandem.deliver(tandem.created_again(customer))
    await tandem.drain()

    assert tandem.pair(tandem.ref(customer)) is None
    assert tandem.runs(tandem.ref(customer), "created")[-1].state == "skipped"


async def test_an_old_event_of_our_own_write_changes_nothing(tandem: InProcess) -> None:
    """Sent again after a month, it only causes a comparison: what a person set back meanwhile stays."""
    tandem.account()
    await tandem.drain()
    [customer] = tandem.customers()
    for name in ("Second", "Third"):
        tandem.call("togai", "PATCH", "/customers/c-acme", json={"name": name})
        await tandem.drain()
    tandem.change(customer["id"], name="Second")
    await tandem.drain()
    events = tandem.call("stripe", "GET", "/v1/events", params={"limit": 100, "type": "customer.updated"})["data"]
    ours = next(
        event for event in events if event["data"]["object"]["name"] == "Second" and event["request"]["idempotency_key"]
    )
    await tandem.restart()
    tandem.deliver(tandem.event_of(ours))
    await tandem.drain()

    assert tandem.stripe(customer["id"])["name"] == "Second"
    assert tandem.togai()["customer"]["name"] == "Third"


async def test_an_old_event_takes_no_value_back(tandem: InProcess) -> None:
    """A change of the owner's that comes again after a restart, with an older name than the one that stands there."""
    customer = tandem.customer(name="First")
    await tandem.drain()
    for name in ("Second", "Third"):
        tandem.change(customer, name=name)
        await tandem.drain()
    events = tandem.call("stripe", "GET", "/v1/events", params={"limit": 100, "type": "customer.updated"})["data"]
    old = next(event for event in events if event["data"]["object"]["name"] == "Second")
    await tandem.restart()
    tandem.deliver(tandem.event_of(old))
    await tandem.drain()

    assert tandem.togai(f"acc_{customer}")["customer"]["name"] == "Third"


async def test_what_is_declared_separate_stays_so_when_its_create_is_refused(tandem: InProcess) -> None:
    """The decision outlasts the claim that came to nothing."""
    customer = await unlinked(tandem)
    match = {"account": tandem.accounts["togai"]["id"], "operation": "customers.create"}
    with tandem.control.fault(app="togai", kind="error_before", match=match, status=422, times=1):
        tandem.by_hand("separate", "", customer)
        await tandem.drain()
        state = tandem.links.claim_of(tandem.ref(customer), tandem.registry.connections["togai"].app_account)
    tandem.change(customer, name="Better")
    await tandem.drain()

    assert state is not None
    assert state.state == "separate"
    assert tandem.pair(tandem.ref(customer)) is not None


async def test_who_was_first_still_owns_its_values_after_unlink_and_link(tandem: InProcess) -> None:
    """What was changed at its side meanwhile travels; the name that Tandem made of the former address does not."""
    customer = tandem.customer(name="", email="one@x.test")
    await tandem.drain()
    account = f"acc_{customer}"
    tandem.by_hand("unlink", account, customer)
    await tandem.drain()
    tandem.change(customer, email="two@x.test", phone="+49 2")
    await tandem.drain()
    tandem.by_hand("link", account, customer)
    await tandem.drain()

    pair = tandem.pair(tandem.ref(customer))
    assert pair
    assert (pair.rule, pair.origin_app) == ("manual", "stripe")
    assert tandem.togai(account)["primaryEmail"] == "two@x.test"
    assert tandem.togai(account)["address"]["phoneNumber"] == "+49 2"
    assert (tandem.stripe(customer)["email"], tandem.stripe(customer)["name"]) == ("two@x.test", None)
    assert tandem.togai(account)["name"] == "two@x.test"
