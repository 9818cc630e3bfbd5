"""What an import makes of each kind of conflict, and that its dry run says the same and writes nothing."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from shared.flows.runs import Run

from tests.integration.customers.conftest import Make
from tests.stack.imports import imported
from tests.stack.in_process import InProcess

TO_TOGAI = {
    "new": ("new", "succeeded"),
    "free at the other side": ("linked", "succeeded"),
    "linked before": ("already", "in_sync"),
    "its address is a linked one's": ("same_email", "skipped"),
    "twin": ("same_email", "skipped"),
    "other twin": ("same_email", "skipped"),
    "without address": ("missing_email", "parked"),
    "id taken": ("id_taken", "skipped"),
    "short name": ("short_name", "succeeded"),
    "names nobody": ("named_otherwise", "skipped"),
    "deleted": ("left_out", "skipped"),
}
"""Of each customer what a dry run says, and how its run ends if no choice is made."""


def records(tandem: InProcess) -> int:
    """What stands in the log, but for the runs, and for what the pollers are asked and answer."""
    beside = (tandem.topics.runs, tandem.topics.polls, tandem.topics.index)
    return sum(record.topic not in beside for record in tandem.log.written)


async def everyone(tandem: InProcess) -> dict[str, str]:
    """A customer of each kind at Stripe."""
    tandem.account("free", primaryEmail="free@x.test")
    before = tandem.customer(email="held@x.test")
    await tandem.stood_before()
    await imported(tandem, "customers", before)
    found = {
        "new": tandem.customer(),
        "free at the other side": tandem.customer(email="free@x.test"),
        "linked before": before,
        "its address is a linked one's": tandem.customer(email="held@x.test"),
        "twin": tandem.customer(email="twin@x.test"),
        "other twin": tandem.customer(email="twin@x.test"),
        "without address": tandem.customer(email=""),
        "id taken": tandem.customer(),
        "short name": tandem.customer(name="Al"),
        "names nobody": tandem.customer(**{"metadata[togai_account_id]": "nobody"}),
        "deleted": tandem.customer(),
    }
    tandem.account(f"acc_{found['id taken']}")
    tandem.call("stripe", "DELETE", f"/v1/customers/{found['deleted']}")
    await tandem.stood_before()
    return found


async def test_a_dry_run_says_what_the_import_does_and_writes_nothing(tandem: InProcess) -> None:
    """Neither at a vendor nor in the log: its run alone tells. The import then does just that."""
    found = await everyone(tandem)
    writes, before = tandem.writes(), records(tandem)
    judged = await imported(tandem, "customers", *found.values(), dry_run=True)
    unchanged = (tandem.writes(), records(tandem)) == (writes, before)
    done = await imported(tandem, "customers", *found.values())

    assert {run.state for run in judged.values()} == {"previewed"}
    assert unchanged
    assert {name: (judged[one].verdict, done[one].state) for name, one in found.items()} == TO_TOGAI
    assert tandem.letters() == []


async def test_a_second_import_writes_nothing(tandem: InProcess) -> None:
    """Whatever conflicts the first one met."""
    found = await everyone(tandem)
    await imported(tandem, "customers", *found.values())
    await tandem.stood_before()
    writes = tandem.writes()
    await imported(tandem, "customers", *found.values())

    assert tandem.writes() == writes


def of(runs: dict[str, Run], entity: str) -> tuple[str, str, str]:
    """How an entity's run ended, at which conflict, and as which problem."""
    run = runs[entity]
    return run.state, run.verdict, run.problem.error if run.problem else ""


async def test_a_person_decides_what_becomes_of_each_kind(tandem: InProcess) -> None:
    """What waits goes on by itself; what is left out needs nothing; what is decided is among the conflicts."""
    found = await everyone(tandem)
    left = await imported(tandem, "customers", *found.values(), missing_email="leave_out", short_name="leave_out")
    asked = await imported(
        tandem, "customers", found["twin"], found["id taken"], same_email="decide", id_taken="decide"
    )

    assert of(left, found["without address"]) == ("skipped", "missing_email", "")
    assert of(left, found["short name"]) == ("skipped", "short_name", "")
    assert of(left, found["twin"]) == ("skipped", "same_email", "")
    assert of(asked, found["twin"]) == ("parked", "same_email", "Conflict")
    assert of(asked, found["id taken"]) == ("parked", "id_taken", "Conflict")


async def test_what_was_left_out_is_taken_up_by_a_person(tandem: InProcess) -> None:
    """A twin that is declared separate is made at the next import; the other one then has a linked one's address."""
    found = await everyone(tandem)
    await imported(tandem, "customers", found["twin"])
    tandem.by_hand("separate", "", found["twin"])
    await tandem.drain()
    await imported(tandem, "customers", found["twin"])

    assert tandem.pair(tandem.ref(found["twin"])) is not None
    assert tandem.pair(tandem.ref(found["other twin"])) is None


async def test_a_missing_currency_waits_or_is_left_out(make: Make) -> None:
    """As it is chosen."""
    tandem = await make(stripe_api_key="sk_test_x", togai_api_token="x")
    customer = tandem.customer()
    await tandem.stood_before()
    judged = await imported(tandem, "customers", customer, dry_run=True)
    left = await imported(tandem, "customers", customer, missing_currency="leave_out")
    waits = await imported(tandem, "customers", customer)

    assert of(judged, customer) == ("previewed", "missing_currency", "Waiting")
    assert of(left, customer) == ("skipped", "missing_currency", "")
    assert of(waits, customer) == ("parked", "missing_currency", "Waiting")


async def test_accounts_are_judged_by_the_rules_of_their_flow(tandem: InProcess) -> None:
    """Those of one customer share its address and get one of their own each."""
    for name in ("new", "twin-a", "twin-b", "free"):
        email = "twin@x.test" if name.startswith("twin") else f"{name}@x.test"
        tandem.account(name, primaryEmail=email)
    sibling = {"id": "sibling", "name": "Sibling", "customerId": "c-new", "invoiceCurrency": "USD"}
    tandem.call("togai", "POST", "/accounts", json=sibling | {"primaryEmail": "new@x.test"})
    tandem.customer(email="free@x.test")
    tandem.account("nobody-there")
    await tandem.stood_before()
    names = ["new", "sibling", "twin-a", "twin-b", "free"]
    writes = tandem.writes()
    judged = await imported(tandem, "accounts", *names, dry_run=True)
    same = tandem.writes() == writes
    done = await imported(tandem, "accounts", *names)

    assert [judged[name].verdict for name in names] == ["new", "new", "same_email", "same_email", "linked"]
    assert same
    assert [done[name].state for name in names] == ["succeeded", "succeeded", "skipped", "skipped", "succeeded"]


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_dry_run_needs_no_enabled_flow_link(tandem: InProcess, enabled: bool) -> None:
    """A person looks before switching it on."""
    await tandem.link("stripe-customer-to-togai-customer", enabled=enabled)
    customer = tandem.customer()
    await tandem.stood_before()
    judged = await imported(tandem, "customers", customer, dry_run=True)

    assert of(judged, customer) == ("previewed", "new", "")


async def test_a_dry_run_wakes_nobody_and_replaces_no_event(tandem: InProcess) -> None:
    """What waits for news of the customer goes on waiting."""
    customer = tandem.customer(email="")
    await tandem.drain()
    [waiting] = tandem.runs(tandem.ref(customer))
    await imported(tandem, "customers", customer, dry_run=True)
    [still, judged] = tandem.runs(tandem.ref(customer))

    assert (waiting.state, still.state, still.attempts) == ("parked", "parked", waiting.attempts)
    assert judged.verdict == "missing_email"


async def test_what_was_read_before_a_failed_call_is_read_again(tandem: InProcess) -> None:
    """The ids are not written at the first try, and a person names another account meanwhile: theirs stays."""
    tandem.settings.in_place_limit = 1000  # scaled: it is tried again in place, not after a parking
    customer = tandem.customer()
    tandem.account("theirs")
    await tandem.stood_before()
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "customers.update"}
    with ExitStack() as faults:

        async def names_another() -> None:
            tandem.change(customer, **{"metadata[togai_account_id]": "theirs"})
            faults.enter_context(tandem.control.fault(app="stripe", kind="rate_limited", match=match, times=1))

        tandem.before_write("customers.update", names_another)
        runs = await imported(tandem, "customers", customer)
    run = runs[customer]

    assert tandem.stripe(customer)["metadata"] == {"togai_account_id": "theirs"}
    assert (run.state, run.problem and run.problem.error) == ("parked", "Conflict")
