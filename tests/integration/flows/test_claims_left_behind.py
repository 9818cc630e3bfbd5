"""Claims of workers that died right after they had written them: what was begun comes to its end, once.

Claims of both sides of one pair: tests/integration/customers/test_claims_left.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stack.processes import Stack, until
from tests.stack.tenants import TO_STRIPE, TO_TOGAI, Tenant


@pytest.fixture(scope="module")
def mortal(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose only worker dies and comes again."""
    stack = asyncio.run(Stack.start(tmp_path_factory.mktemp("mortal"), kafka_bootstrap, workers=1))
    yield stack
    asyncio.run(stack.stop())


async def test_an_open_claim_waits_while_its_flow_is_off(mortal: Stack) -> None:
    """Its run waits for Stripe with a claim: nothing is made until the flow is on again, and what came is counted."""
    tenant = await Tenant.make(mortal)
    fault = await tenant.fault("stripe", "error_before", {"operation": "customers.create"}, stored=False)
    await tenant.new_account("acme")
    await tenant.run("acme", "parked")
    await tenant.switch(TO_STRIPE, enabled=False)
    await tenant.stack.control("DELETE", f"/faults/{fault}")
    await tenant.new_account("beta")
    await tenant.run("beta", "missed")
    await tenant.parked_because("acme", "is off")
    made_while_off = await tenant.stripe_customers()
    [shown] = [link for link in await tenant.flow_links() if link["id"] == tenant.link_id(TO_STRIPE)]
    await tenant.switch(TO_STRIPE, enabled=True)
    linked = await tenant.mapping("acme")
    await tenant.settled("acme")

    assert made_while_off == []
    assert (shown["enabled"], shown["missed"]) == (False, 1)
    assert [c["id"] for c in await tenant.stripe_customers()] == [linked["stripe_id"]]
    assert await tenant.setting_of("acme") == linked["stripe_id"]


async def test_what_a_dead_worker_began_is_looked_up_while_its_flow_is_off(mortal: Stack) -> None:
    """Its event comes again, and the customer that was made is found; nothing is written until the flow is on."""
    tenant = await Tenant.make(mortal)
    fault = await tenant.fault("stripe", "hang_after", {"operation": "customers.create"}, times=1, seconds=8)
    await tenant.new_account("acme")
    await tenant.struck(fault)
    await tenant.switch(TO_STRIPE, enabled=False)
    await mortal.children["worker-1"].kill()
    mortal.launch_worker(1)
    await mortal.workers_ready()
    linked = await tenant.mapping("acme")
    await tenant.parked_because("acme", "is off")
    written_while_off = await tenant.setting_of("acme")
    await tenant.switch(TO_STRIPE, enabled=True)
    await tenant.settled("acme")

    assert written_while_off is None
    assert [c["id"] for c in await tenant.stripe_customers()] == [linked["stripe_id"]]
    assert await tenant.setting_of("acme") == linked["stripe_id"]


async def test_a_customer_that_was_made_before_a_person_named_another_is_shown(mortal: Stack) -> None:
    """It is linked, for nobody would look for it any more; the account's Settings say otherwise: a person decides."""
    tenant, named, linked = await made_and_another_named(mortal)
    shown = {conflict["reason"] for conflict in await tenant.conflicts("acme")}
    output = f"the Settings of account acme name {named}, it is linked to {linked['stripe_id']}"
    assert shown == {f"{output}: correct the setting or the link"}

    body = {"id": linked["id"], "reason": "It is.", "flow_link": tenant.link_id("links-by-hand")}
    await tenant.ask("POST", "/mappings/relink", **body, sides={"stripe": named})
    await tenant.mapping(named)
    await tenant.settled("acme")

    assert (await tenant.mapping("acme"))["stripe_id"] == named
    names = {c["id"]: c["metadata"].get("togai_account_id") for c in await tenant.stripe_customers()}
    assert names == {named: "acme", linked["stripe_id"]: None}


async def test_a_link_that_was_taken_back_is_not_written_again(mortal: Stack) -> None:
    """A run had still to write its id to the account's Settings when a person ended the pair."""
    tenant, _, linked = await made_and_another_named(mortal)

    body = {"id": linked["id"], "reason": "Neither.", "flow_link": tenant.link_id("links-by-hand")}
    await tenant.ask("POST", "/mappings/unlink", **body)
    await tenant.mapping("acme", "withdrawn")
    await tenant.settled("acme")

    assert await tenant.setting_of("acme") == ""
    assert "acme" not in {c["metadata"].get("togai_account_id") for c in await tenant.stripe_customers()}


async def made_and_another_named(stack: Stack) -> tuple[Tenant, str, dict[str, Any]]:
    """A worker died when a customer was made for an account, and a person wrote another one to the account's Settings.
    Returns that one and the pair, when the run of the account waits for a decision.
    """
    tenant = await Tenant.make(stack)
    await tenant.switch(TO_TOGAI, enabled=False)
    named = await tenant.new_customer()
    await tenant.run(named, "missed")
    fault = await tenant.fault("stripe", "hang_after", {"operation": "customers.create"}, times=1, seconds=8)
    await tenant.new_account("acme")
    await tenant.struck(fault)
    await stack.children["worker-1"].kill()
    setting = {"id": "StripeCustomerId", "name": "StripeCustomerId", "value": named, "dataType": "STRING"}
    of = {"namespace": "USER", "entityType": "ACCOUNT", "entityId": "acme"}
    await tenant.togai("POST", "/settings", json=setting | of)
    stack.launch_worker(1)
    await stack.workers_ready()
    linked = await tenant.mapping("acme")
    await tenant.run("acme", "parked")
    return tenant, named, linked


async def test_an_account_that_was_made_before_a_person_named_another_is_shown(mortal: Stack) -> None:
    """The same from the other side: what the person wrote to the customer's metadata stays."""
    tenant = await Tenant.make(mortal)
    await tenant.switch(TO_STRIPE, enabled=False)
    await tenant.new_account("acme")
    await tenant.run("acme", "missed")
    fault = await tenant.fault("togai", "hang_after", {"operation": "customers.create"}, times=1, seconds=8)
    customer = await tenant.new_customer()
    await tenant.struck(fault)
    await mortal.children["worker-1"].kill()
    await tenant.stripe("POST", f"/v1/customers/{customer}", data={"metadata[togai_account_id]": "acme"})
    mortal.launch_worker(1)
    await mortal.workers_ready()
    linked = await tenant.mapping(customer)

    async def checked_twice() -> bool:
        run = await tenant.run(customer, "parked", event_type="customer.created")
        return f"names account acme, it is linked to acc_{customer}" in run["reason"] and run["parked"] > 1

    await until(checked_twice, "a conflict that stays")
    assert linked["togai_account_id"] == f"acc_{customer}"
    [found] = await tenant.stripe_customers()
    assert found["metadata"] == {"togai_account_id": "acme"}
