"""What the world does to events and calls, through every process: twice, out of order, late, lost answers, a wrong key.

Every kind of fault of a call: tests/integration/customers/test_faults.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from console.http import own_machine
from shared.events.topics import Topics
from shared.kafka.log import Log

from tests.integration.flows.conftest import BY_WEBHOOK
from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant

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


@BY_WEBHOOK
async def test_an_error_after_stripe_has_made_it(tenant: Tenant) -> None:
    """One Stripe customer with its ids, one mapping, a succeeded run, whatever the first answer was."""
    await tenant.fault("stripe", "error_after", {"operation": "customers.create"}, times=1)

    await tenant.new_account("acme")
    mapping = await tenant.mapping("acme")
    await tenant.run("acme", "succeeded")
    await tenant.settled("acme")
    [customer] = await tenant.stripe_customers()

    assert mapping["stripe_id"] == customer["id"]
    assert customer["metadata"] == {"togai_customer_id": "c-acme", "togai_account_id": "acme"}
    assert await tenant.setting_of("acme") == customer["id"]


@BY_WEBHOOK
async def test_the_connection_is_cut_after_togai_has_made_it(tenant: Tenant) -> None:
    """One Togai customer with one account, its setting, and the ids in Stripe's metadata."""
    await tenant.fault("togai", "cut_after", {"operation": "customers.create"}, times=1)

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


@BY_WEBHOOK
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


@BY_WEBHOOK
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


@BY_WEBHOOK
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
