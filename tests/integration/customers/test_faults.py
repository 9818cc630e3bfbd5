"""What vendors do to calls: 429, errors before and after the commit, lost connections, no JSON, wrong keys."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from shared.connections import Secrets, encode

from tests.integration.customers.conftest import Make
from tests.integration.customers.test_changes import ended
from tests.stack.in_process import InProcess

LOOKS = 4
"""How often what waits looks again."""


async def lived_through(tandem: InProcess) -> None:
    """Bring everything to its end, also what waits for a vendor."""
    await tandem.drain()
    for _ in range(LOOKS):
        if ended(tandem):
            return
        await tandem.recheck()


def match(tandem: InProcess, app: str, operation: str) -> dict[str, str]:
    return {"account": tandem.accounts[app]["id"], "operation": operation}


@pytest.mark.parametrize(
    ("app", "kind", "operation", "rule"),
    [
        ("stripe", "rate_limited", "customers.create", {"times": 2, "reason": "endpoint-rate"}),
        ("stripe", "error_before", "customers.create", {"times": 2}),
        ("stripe", "error_after", "customers.create", {"times": 1}),
        ("stripe", "lock_timeout", "customers.create", {"times": 2}),
        ("stripe", "cut_before", "customers.create", {"times": 1}),
        ("stripe", "cut_after", "customers.create", {"times": 1}),
        ("stripe", "hang_after", "customers.create", {"times": 1, "seconds": 1}),
        ("stripe", "html", "customers.create", {"times": 1}),
        ("stripe", "truncated_json", "customers.create", {"times": 1}),
        ("togai", "rate_limited", "accounts.retrieve", {"times": 2}),
        ("togai", "error_before", "settings.create", {"times": 2}),
        ("togai", "error_after", "settings.create", {"times": 1}),
        ("togai", "cut_after", "settings.create", {"times": 1}),
    ],
)
async def test_calls_that_make_a_stripe_customer_fail_once(
    make: Make, app: str, kind: str, operation: str, rule: dict[str, Any]
) -> None:
    """One Stripe customer with its ids, one mapping, a succeeded run, whatever the first answer was."""
    tandem = await make(default_currency="USD", call_timeout=0.5)
    with tandem.control.fault(app=app, kind=kind, match=match(tandem, app, operation), **rule) as fired:
        tandem.account()
        await lived_through(tandem)
        struck = fired()
    [customer] = tandem.customers()

    assert struck == rule["times"]
    assert set(tandem.linked(customer["id"]).refs) == {tandem.ref("acme", "togai"), tandem.ref(customer["id"])}
    assert customer["metadata"] == {"togai_customer_id": "c-acme", "togai_account_id": "acme"}
    assert tandem.setting("acme") == customer["id"]
    assert "succeeded" in {run.state for run in tandem.runs(tandem.ref("acme", "togai"))}
    assert ended(tandem)


@pytest.mark.parametrize(
    ("app", "kind", "operation", "rule"),
    [
        ("togai", "rate_limited", "customers.create", {"times": 2}),
        ("togai", "error_before", "customers.create", {"times": 2}),
        ("togai", "error_after", "customers.create", {"times": 1}),
        ("togai", "cut_after", "customers.create", {"times": 1}),
        ("togai", "hang_after", "customers.create", {"times": 1, "seconds": 1}),
        ("togai", "html", "customers.create", {"times": 1}),
        ("togai", "truncated_json", "customers.create", {"times": 1}),
        ("stripe", "rate_limited", "customers.update", {"times": 2}),
        ("stripe", "error_after", "customers.update", {"times": 1}),
        ("stripe", "cut_after", "customers.update", {"times": 1}),
    ],
)
async def test_calls_that_make_a_togai_customer_fail_once(
    make: Make, app: str, kind: str, operation: str, rule: dict[str, Any]
) -> None:
    """One Togai customer with one account, its setting, and the ids in Stripe's metadata."""
    tandem = await make(default_currency="USD", call_timeout=0.5)
    with tandem.control.fault(app=app, kind=kind, match=match(tandem, app, operation), **rule) as fired:
        customer = tandem.customer()
        await lived_through(tandem)
        struck = fired()
    state = tandem.control.call("GET", "/state", account=tandem.accounts["togai"]["id"])
    [found] = tandem.customers()

    assert struck == rule["times"]
    assert [row["id"] for row in state["customers"]] == [customer]
    assert [row["id"] for row in state["accounts"]] == [f"acc_{customer}"]
    assert tandem.setting(f"acc_{customer}") == customer
    assert found["metadata"] == {"togai_customer_id": customer, "togai_account_id": f"acc_{customer}"}
    assert tandem.runs(tandem.ref(customer), "customer.created")[-1].state == "succeeded"
    assert ended(tandem)


@pytest.mark.parametrize("answer", [200, 400, 409])
async def test_whatever_togai_answers_for_a_taken_id(tandem: InProcess, answer: int) -> None:
    """It is undocumented: after a lost answer the create is sent again and finds itself."""
    where = match(tandem, "togai", "customers.create")
    with (
        tandem.control.settings(togai_duplicate=answer),
        tandem.control.fault(app="togai", kind="cut_after", match=where, times=1) as fired,
    ):
        customer = tandem.customer()
        await lived_through(tandem)
        struck = fired()

    assert struck == 1
    assert tandem.linked(customer).target == tandem.ref(f"acc_{customer}", "togai")
    assert tandem.organization() == [f"acc_{customer}"]
    assert ended(tandem)


async def given(tandem: InProcess, name: str, key: str) -> None:
    """A person gives a connection another key."""
    connection = msgspec.structs.replace(tandem.registry.connections[name], sealed="")
    sealed = tandem.vault.seal(connection, Secrets(api_key=key))
    await tandem.log.append(tandem.topics.connections, name, encode(sealed))


async def test_a_missing_right_parks_what_needs_it_and_closes_nothing(tandem: InProcess) -> None:
    """The connection stays open and Stripe's words name the right; with it the run goes on."""
    rights = {"customers": "read", "events": "read", "account": "read"}
    body = {"account": tandem.accounts["stripe"]["id"], "rights": rights}
    await given(tandem, "stripe", tandem.control.call("POST", "/keys", body)["key"])
    tandem.account()
    await tandem.drain()
    waiting = tandem.runs(tandem.ref("acme", "togai"), "created")[-1]
    refused = tandem.registry.key_states.refusals(tandem.registry.connections["stripe"])
    await given(tandem, "stripe", tandem.accounts["stripe"]["key"])
    await lived_through(tandem)

    assert waiting.problem
    assert (waiting.state, waiting.problem.error, waiting.problem.connection) == ("parked", "Blocked", "stripe")
    assert [one.operation for one in refused] == ["customers.create"]
    assert "rak_customer_write" in refused[0].reason
    assert len(tandem.customers()) == 1
    assert ended(tandem)


async def test_a_wrong_key_closes_the_connection_and_loses_nothing(tandem: InProcess) -> None:
    """The event is parked, hardly a call is wasted (Togai locks an address after 5), and a mended key goes on."""
    with tandem.control.settings(togai_unauthenticated=None):
        before = len(refused_as_unknown(tandem))
        await given(tandem, "togai", "wrong")
        tandem.account("acme")
        tandem.account("acme2")
        await tandem.drain()
        waiting = [tandem.runs(tandem.ref(account, "togai"), "created")[-1] for account in ("acme", "acme2")]
        wasted = len(refused_as_unknown(tandem)) - before
    await given(tandem, "togai", tandem.accounts["togai"]["key"])
    await lived_through(tandem)

    assert {(run.state, run.problem and run.problem.code) for run in waiting} == {("parked", "connection_closed")}
    assert 1 <= wasted <= 2
    assert len(tandem.customers()) == 2
    assert ended(tandem)


def refused_as_unknown(tandem: InProcess) -> list[dict[str, Any]]:
    calls = tandem.control.call("GET", "/calls", app="togai", limit="500")["calls"]
    return [call for call in calls if call["status"] == 401]
