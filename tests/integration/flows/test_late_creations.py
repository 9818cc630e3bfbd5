"""A pair is made late or with an old picture of its customer: what changed meanwhile reaches the other side too."""

from __future__ import annotations

from tests.integration.flows.test_changes import in_togai, made_in_stripe
from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant


async def test_a_change_is_reported_before_the_creation(stack: Stack) -> None:
    """Stripe promises no order: a creation comes with its old picture, and nobody else looks at the change any more."""
    tenant = await Tenant.make(stack)
    await tenant.fault("stripe", "delay", {"event_type": "customer.created"}, seconds=3)
    cus = await tenant.new_customer("Old name", phone="+1")
    await tenant.stripe("POST", f"/v1/customers/{cus}", data={"name": "New name", "phone": "+2"})
    await tenant.run(cus, "skipped", event_type="customer.updated")
    await tenant.mapping(cus)

    await in_togai(tenant, "customers", cus, name="New name", address={"phoneNumber": "+2"})


async def test_an_address_is_reported_before_the_creation(stack: Stack) -> None:
    """The creation shows no address and would wait for one; it is there already, and comes no second time."""
    tenant = await Tenant.make(stack)
    await tenant.fault("stripe", "delay", {"event_type": "customer.created"}, seconds=3)
    cus = await tenant.new_customer(email=None)
    await tenant.stripe("POST", f"/v1/customers/{cus}", data={"email": f"{cus}@globex.test"})
    await tenant.run(cus, "skipped", event_type="customer.updated")
    await tenant.mapping(cus)

    await in_togai(tenant, "customers", cus, primaryEmail=f"{cus}@globex.test")


async def test_a_change_between_the_create_and_its_answer(stack: Stack) -> None:
    """Whoever goes on with a claim finds what its body made: that is what both sides had in common, not the present."""
    tenant = await Tenant.make(stack)
    await tenant.fault("togai", "cut_after", {"operation": "customers.create"}, times=1)
    match = {"account": tenant.togai_org, "operation": "accounts.retrieve"}
    away = await stack.control("POST", "/faults", json={"app": "togai", "kind": "error_before", "match": match})
    cus = await tenant.new_customer(phone="+1")
    await tenant.run(cus, "parked", event_type="customer.created")
    await tenant.stripe("POST", f"/v1/customers/{cus}", data={"phone": "+2"})
    await stack.control("DELETE", f"/faults/{away['id']}")

    await in_togai(tenant, "accounts", f"acc_{cus}", address={"phoneNumber": "+2"})


async def test_an_account_is_archived_between_the_look_and_the_write(stack: Stack) -> None:
    """Togai refuses the change; the next comparison sees why, and nothing is given up on."""
    tenant = await Tenant.make(stack)
    cus = await made_in_stripe(tenant, phone="+1")
    fault = await tenant.fault("togai", "hang_before", {"operation": "customers.update"}, times=1, seconds=2)
    await tenant.stripe("POST", f"/v1/customers/{cus}", data={"phone": "+2"})
    await tenant.struck(fault)
    await tenant.togai("DELETE", f"/accounts/acc_{cus}")
    await tenant.settled(cus)

    assert await tenant.dead_letters(cus) == []
    assert [d["field"] for d in await tenant.differences()] == ["phone"]


async def test_an_account_is_archived_for_the_moment_of_the_write_only(stack: Stack) -> None:
    """Togai refuses a change, and whoever looks why finds the account active: the same once more is taken."""
    tenant = await Tenant.make(stack)
    cus = await made_in_stripe(tenant, phone="+1")
    await tenant.fault("togai", "error_before", {"operation": "customers.update"}, times=1, status=400)
    await tenant.stripe("POST", f"/v1/customers/{cus}", data={"phone": "+2"})
    await in_togai(tenant, "accounts", f"acc_{cus}", address={"phoneNumber": "+2"})
    await tenant.settled(cus)

    assert await tenant.dead_letters(cus) == []


async def test_a_refusal_for_good_is_shown(stack: Stack) -> None:
    """Togai does not take the value: it is shown with Togai's words, and is no dead letter."""
    tenant = await Tenant.make(stack)
    cus = await made_in_stripe(tenant, phone="+1")
    await tenant.fault("togai", "error_before", {"operation": "customers.update"}, status=400)
    await tenant.stripe("POST", f"/v1/customers/{cus}", data={"phone": "+2"})

    async def shown() -> bool:
        return any("Togai refused the value" in difference["reason"] for difference in await tenant.differences())

    await until(shown, "the refused value")
    assert await tenant.dead_letters(cus) == []
