"""What the world does to events and calls: twice, out of order, late, 429, 500 after the commit, wrong keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from console.http import own_machine
from shared.events.topics import Topics
from shared.kafka.log import Log

from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant

SWEPT = pytest.mark.long("tests/reliability/sweep has the fault of each kind of call, in process")
RARE_POLLS = {"TANDEM_STRIPE_POLL_INTERVAL": "3600", "TANDEM_TOGAI_POLL_INTERVAL": "3600"}
"""What a poller sees would wake a run that waits."""


@pytest.mark.parametrize("kind", ["duplicate", "reorder", "delay"])
async def test_webhooks_of_stripe_misbehave(called: Tenant, kind: str) -> None:
    """Exactly one Togai customer, every run ended."""
    rule = {"count": 3} if kind == "duplicate" else {"seconds": 0.4} if kind == "delay" else {}
    await called.fault("stripe", kind, **rule)

    cus = await called.new_customer()
    await called.stripe("POST", f"/v1/customers/{cus}", data={"description": "changed"})
    await called.mapping(cus)
    await called.settled(cus)
    state = await called.togai_state()

    assert len(state["customers"]) == len(state["accounts"]) == 1


async def test_webhooks_of_togai_come_twice(called: Tenant) -> None:
    """Each delivery is an event of its own, and there is still one Stripe customer."""
    await called.fault("togai", "duplicate", count=3)

    await called.new_account("acme")
    await called.mapping("acme")

    async def all_came() -> bool:
        return len([r for r in await called.runs("acme") if r["event_type"] == "togai.account.created"]) >= 3

    await until(all_came, "a run for each delivery")
    await called.settled("acme")

    assert len(await called.stripe_customers()) == 1


@pytest.mark.parametrize(
    ("app", "kind", "operation", "rule"),
    [
        pytest.param(
            "stripe", "rate_limited", "customers.create", {"times": 2, "reason": "endpoint-rate"}, marks=SWEPT
        ),
        pytest.param("stripe", "error_before", "customers.create", {"times": 2}, marks=SWEPT),
        ("stripe", "error_after", "customers.create", {"times": 1}),
        pytest.param("stripe", "lock_timeout", "customers.create", {"times": 2}, marks=SWEPT),
        pytest.param("stripe", "cut_before", "customers.create", {"times": 1}, marks=SWEPT),
        pytest.param("stripe", "cut_after", "customers.create", {"times": 1}, marks=SWEPT),
        ("stripe", "hang_after", "customers.create", {"times": 1, "seconds": 5}),
        pytest.param("stripe", "html", "customers.create", {"times": 1}, marks=SWEPT),
        pytest.param("stripe", "truncated_json", "customers.create", {"times": 1}, marks=SWEPT),
        ("togai", "rate_limited", "accounts.retrieve", {"times": 2}),
        pytest.param("togai", "error_before", "settings.create", {"times": 2}, marks=SWEPT),
        pytest.param("togai", "error_after", "settings.create", {"times": 1}, marks=SWEPT),
        pytest.param("togai", "cut_after", "settings.create", {"times": 1}, marks=SWEPT),
    ],
)
async def test_calls_of_flow_1_fail_once(tenant: Tenant, app: str, kind: str, operation: str, rule: dict) -> None:  # type: ignore[type-arg]
    """One Stripe customer with its ids, one mapping, a succeeded run, whatever the first answer was."""
    await tenant.fault(app, kind, {"operation": operation}, **rule)

    await tenant.new_account("acme")
    mapping = await tenant.mapping("acme")
    await tenant.run("acme", "succeeded")
    await tenant.settled("acme")
    [customer] = await tenant.stripe_customers()

    assert mapping["stripe_id"] == customer["id"]
    assert customer["metadata"] == {"togai_customer_id": "c-acme", "togai_account_id": "acme"}
    assert await tenant.setting_of("acme") == customer["id"]


@pytest.mark.parametrize(
    ("app", "kind", "operation", "rule"),
    [
        pytest.param("togai", "rate_limited", "customers.create", {"times": 2}, marks=SWEPT),
        pytest.param("togai", "error_before", "customers.create", {"times": 2}, marks=SWEPT),
        pytest.param("togai", "error_after", "customers.create", {"times": 1}, marks=SWEPT),
        ("togai", "cut_after", "customers.create", {"times": 1}),
        pytest.param("togai", "hang_after", "customers.create", {"times": 1, "seconds": 5}, marks=SWEPT),
        pytest.param("togai", "html", "customers.create", {"times": 1}, marks=SWEPT),
        pytest.param("togai", "truncated_json", "customers.create", {"times": 1}, marks=SWEPT),
        pytest.param("stripe", "rate_limited", "customers.update", {"times": 2}, marks=SWEPT),
        pytest.param("stripe", "error_after", "customers.update", {"times": 1}, marks=SWEPT),
        pytest.param("stripe", "cut_after", "customers.update", {"times": 1}, marks=SWEPT),
    ],
)
async def test_calls_of_flow_2_fail_once(tenant: Tenant, app: str, kind: str, operation: str, rule: dict) -> None:  # type: ignore[type-arg]
    """One Togai customer with one account, its setting, and the ids in Stripe's metadata."""
    await tenant.fault(app, kind, {"operation": operation}, **rule)

    cus = await tenant.new_customer()
    await tenant.mapping(cus)
    await tenant.run(cus, "succeeded", event_type="customer.created")
    await tenant.settled(cus)
    state = await tenant.togai_state()
    [customer] = await tenant.stripe_customers()

    assert [c["id"] for c in state["customers"]] == [cus]
    assert [a["id"] for a in state["accounts"]] == [f"acc_{cus}"]
    assert await tenant.setting_of(f"acc_{cus}") == cus
    assert customer["metadata"] == {"togai_customer_id": cus, "togai_account_id": f"acc_{cus}"}


@pytest.mark.parametrize("answer", [200, 400, 409])
async def test_whatever_togai_answers_for_a_taken_id(tenant: Tenant, answer: int) -> None:
    """It is undocumented: after a lost answer the create is sent again and finds itself."""
    await tenant.stack.control("PATCH", "/settings", json={"togai_duplicate": answer})
    try:
        await tenant.fault("togai", "cut_after", {"operation": "customers.create"}, times=1)
        cus = await tenant.new_customer()
        await tenant.mapping(cus)
        await tenant.settled(cus)
    finally:
        await tenant.stack.control("PATCH", "/settings", json={"togai_duplicate": 400})

    assert len((await tenant.togai_state())["accounts"]) == 1


async def test_one_slow_entity_among_many(tenant: Tenant) -> None:
    """Thirty others go through while it hangs; then it is parked, and ends too."""
    fault = await tenant.fault("togai", "hang_before", {"path": "*/accounts/slow"}, seconds=60)
    await tenant.new_account("slow")
    for n in range(30):
        await tenant.new_account(f"quick{n}")

    for n in range(30):
        await tenant.mapping(f"quick{n}")
    slow = [run for run in await tenant.runs("slow") if "created" in run["event_type"]]

    assert slow
    assert all(run["state"] in ("running", "parked") for run in slow)
    await tenant.stack.control("DELETE", f"/faults/{fault}")
    await tenant.mapping("slow")
    assert len(await tenant.stripe_customers()) == 31


async def test_a_wrong_key_closes_the_connection_and_loses_nothing(tenant: Tenant) -> None:
    """The event is parked, hardly a call is wasted (Togai locks an address after 5), and a mended key goes on."""
    connection = f"con_t{tenant.name}"
    await tenant.connect_togai(connection, tenant.togai_token, key="wrong")
    await tenant.stack.control("PATCH", "/settings", json={"togai_unauthenticated": None})
    await tenant.new_account("acme")
    parked = await tenant.run("acme", "parked")
    assert parked["problem"]["code"] == "connection_closed"
    await tenant.new_account("acme2")
    await tenant.run("acme2", "parked")
    calls = (await tenant.stack.control("GET", "/calls", params={"app": "togai", "limit": 500}))["calls"]
    assert len([c for c in calls if c["status"] == 401]) <= 2

    await tenant.connect_togai(connection, tenant.togai_token)
    await tenant.mapping("acme")
    await tenant.mapping("acme2")

    assert len(await tenant.stripe_customers()) == 2


async def test_a_missing_right_parks_what_needs_it_and_closes_nothing(tenant: Tenant) -> None:
    """The connection stays open and shows Stripe's words, which name the right; with it the run goes on."""
    connection, rights = f"con_s{tenant.name}", {"customers": "read", "events": "read", "account": "read"}
    body = {"account": tenant.stripe_account, "rights": rights}
    restricted = (await tenant.stack.control("POST", "/keys", json=body))["key"]
    await tenant.connect_stripe(connection, restricted)
    await tenant.new_account("acme")
    parked = await tenant.run("acme", "parked")
    shown = (await tenant.stack.api("/connections"))["items"]
    (item,) = [one for one in shown if one["id"] == connection]

    assert (parked["problem"]["error"], parked["problem"]["connection"]) == ("Blocked", connection)
    assert (item["state"], [one["operation"] for one in item["refused"]]) == ("open", ["customers.create"])
    assert "rak_customer_write" in item["refused"][0]["reason"]
    await tenant.connect_stripe(connection, tenant.stripe_key)
    await tenant.mapping("acme")
    assert len(await tenant.stripe_customers()) == 1


async def test_a_mended_key_wakes_what_waits_for_it(kafka_bootstrap: str, tmp_path: Path) -> None:
    """At once, though the parking lasts ten minutes here."""
    stack = await Stack.start(tmp_path, kafka_bootstrap, workers=1, TANDEM_DELAY_SCALE="10", **RARE_POLLS)
    try:
        tenant = await Tenant.make(stack)
        connection = f"con_t{tenant.name}"
        await tenant.connect_togai(connection, tenant.togai_token, key="wrong")
        customer = await tenant.new_customer()
        parked = await tenant.run(customer, "parked")
        await tenant.connect_togai(connection, tenant.togai_token)
        await tenant.mapping(customer)
    finally:
        await stack.stop()

    assert parked["problem"]["connection"] == connection


async def test_a_body_that_names_nothing_ends_as_a_dead_letter(tenant: Tenant) -> None:
    """A Togai flow with a wrong action payload: somebody sees it."""
    async with own_machine() as http:
        answer = await http.post(tenant.togai_hook(f"con_t{tenant.name}"), content=b'{"payload": "oops"}')
    assert answer.status_code == 200
    event = answer.json()["received"]

    async def dead_lettered() -> list[dict[str, object]]:
        return list((await tenant.stack.api("/dead-letters", id=event))["items"])

    [letter] = await until(dead_lettered, "dead letter")

    assert "names no account" in str(letter["problem"])


async def test_what_is_no_envelope_is_a_dead_letter_and_the_next_event_goes_on(tenant: Tenant) -> None:
    """Somebody wrote to our topic by hand."""
    settings = tenant.stack.settings()
    async with Log(settings) as kafka:
        place = await kafka.append(Topics(settings).events("customer"), "garbage", b"\xff not json")

    async def dead_lettered() -> list[dict[str, object]]:
        items = (await tenant.stack.api("/dead-letters", limit=200))["items"]
        return [i for i in items if i["place"] == "/".join(map(str, place))]

    assert await until(dead_lettered, "dead letter")
    await tenant.new_account("after")
    await tenant.mapping("after")
