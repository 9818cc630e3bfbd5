"""Who belongs to whom: several accounts of one customer, several keys to one account, ids that people wrote by hand."""

from __future__ import annotations

import asyncio

from tests.stack.processes import until
from tests.stack.tenants import TO_STRIPE, TO_TOGAI, Tenant


async def test_two_accounts_with_one_email_under_one_customer(tenant: Tenant) -> None:
    """Each gets a Stripe customer of its own: an e-mail address is no identity."""
    await tenant.new_account("east", "acme", primaryEmail="same@acme.test")
    body = {"id": "west", "name": "West", "customerId": "acme", "primaryEmail": "same@acme.test", "address": {}}
    await tenant.togai("POST", "/accounts", json=body)

    east, west = await tenant.mapping("east"), await tenant.mapping("west")
    await tenant.settled("east")
    await tenant.settled("west")
    customers = await tenant.stripe_customers()

    assert len(customers) == 2
    assert east["stripe_id"] != west["stripe_id"]
    assert {c["metadata"]["togai_account_id"]: c["id"] for c in customers} == {
        "east": east["stripe_id"],
        "west": west["stripe_id"],
    }
    assert {c["metadata"]["togai_customer_id"] for c in customers} == {"acme"}


async def test_an_account_that_togai_made_by_itself_is_linked_too(tenant: Tenant) -> None:
    """A customer without an account gets a first one from Togai, under Togai's own id."""
    body = {"id": "solo", "name": "Solo Inc", "primaryEmail": "s@solo.test", "address": {}}
    await tenant.togai("POST", "/customers", json=body)

    mapping = await tenant.mapping("solo")
    [account] = (await tenant.togai_state())["accounts"]

    assert mapping["togai_account_id"] == account["id"]


async def test_two_connections_to_one_app_account(tenant: Tenant) -> None:
    """The same event at two endpoints is one event; two links of one flow make one customer."""
    name = tenant.name
    key = (await tenant.stack.control("POST", "/keys", json={"account": tenant.stripe_account}))["key"]
    await tenant.connect_stripe(f"con_second{name}", key)
    await tenant.connect_togai(f"con_secondt{name}", tenant.togai_token)
    for flow in (TO_STRIPE, TO_TOGAI):
        await tenant.link(flow, suffix="_second", stripe=f"con_second{name}", togai=f"con_secondt{name}")

    cus = await tenant.new_customer()
    await tenant.new_account("acme")
    await tenant.mapping(cus)
    await tenant.mapping("acme")

    async def all_came() -> bool:
        return len(await tenant.runs("acme")) >= 4 and len(await tenant.runs(cus)) >= 3

    await until(all_came, "both links' runs")
    await tenant.settled(cus)
    runs = await tenant.settled("acme")

    assert len(await tenant.stripe_customers()) == 2
    assert len((await tenant.togai_state())["customers"]) == 2
    assert {r["state"] for r in runs if r["event_type"] == "togai.account.created"} <= {"succeeded", "in_sync"}
    created = [r for r in await tenant.runs(cus) if r["event_type"] == "stripe.customer.created"]
    assert len({r["event"] for r in created}) == 1
    assert len(created) == 2


async def test_an_account_that_names_a_stripe_customer_is_linked_not_doubled(tenant: Tenant) -> None:
    """Somebody, or Togai's own integration, had linked them before."""
    await tenant.switch(TO_TOGAI, enabled=False)
    cus = await tenant.new_customer("Old Inc", "old@old.test")
    await tenant.run(cus, "skipped", "missed", event_type="customer.created")
    setting = {"id": "StripeCustomerId", "value": cus, "namespace": "USER", "name": "x", "dataType": "STRING"}
    await tenant.new_account("old", settings=[setting])

    mapping = await tenant.mapping("old")
    run = await tenant.run("old", "succeeded")
    [customer] = await tenant.stripe_customers()

    assert (mapping["stripe_id"], mapping["rule"]) == (cus, "setting")
    assert customer["metadata"] == {"togai_customer_id": "c-old", "togai_account_id": "old"}
    assert any("linked" in note for step in run["steps"] for note in step["notes"])
    assert customer["name"] == "Customer c-old"


async def test_a_customer_whose_metadata_names_an_account_is_linked_not_doubled(tenant: Tenant) -> None:
    """The account's Settings learn of it."""
    await tenant.switch(TO_STRIPE, enabled=False)
    await tenant.new_account("old")
    await tenant.run("old", "missed")
    await tenant.switch(TO_STRIPE, enabled=True)

    cus = await tenant.new_customer("Old Inc", "old@old.test", **{"metadata[togai_account_id]": "old"})
    mapping = await tenant.mapping(cus)
    await tenant.settled(cus)

    assert (mapping["togai_account_id"], mapping["rule"]) == ("old", "metadata")
    assert await tenant.setting_of("old") == cus
    assert len((await tenant.togai_state())["accounts"]) == 1
    [customer] = await tenant.stripe_customers()
    assert customer["metadata"] == {"togai_customer_id": "c-old", "togai_account_id": "old"}


async def test_a_second_customer_that_names_a_linked_account_is_a_conflict(tenant: Tenant) -> None:
    """A Stripe customer copied with its metadata: a person decides, nothing is linked twice."""
    await tenant.new_account("acme")
    first = await tenant.mapping("acme")

    copy = await tenant.new_customer("Copy", "c@c.test", **{"metadata[togai_account_id]": "acme"})
    run = await tenant.run(copy, "parked")
    [conflict] = await tenant.conflicts(copy)

    assert run["problem"]["error"] == "Conflict"
    assert first["stripe_id"] in " ".join(candidate["id"] for candidate in conflict["candidates"])
    assert (await tenant.mapping("acme"))["stripe_id"] == first["stripe_id"]


async def test_a_setting_that_names_an_unknown_customer_is_a_conflict_and_can_be_retried(tenant: Tenant) -> None:
    """After a person mends the setting, of which Togai tells nobody, a retry goes on with the same run."""
    setting = {"id": "StripeCustomerId", "value": "cus_gone", "namespace": "USER", "name": "x", "dataType": "STRING"}
    await tenant.new_account("acme", settings=[setting])
    run = await tenant.run("acme", "parked")
    assert "Stripe does not know" in run["reason"]

    await tenant.switch(TO_TOGAI, enabled=False)
    cus = await tenant.new_customer("Real", "r@r.test")
    await tenant.run(cus, "skipped", "missed", event_type="customer.created")
    await tenant.togai("PATCH", "/settings/setting.USER.StripeCustomerId.ACCOUNT.acme", json={"value": cus})
    await tenant.ask("POST", f"/conflicts/{run['id']}/retry")

    mapping = await tenant.mapping("acme")
    assert mapping["stripe_id"] == cus
    assert (await tenant.run("acme", "succeeded"))["id"] == run["id"]


async def test_a_customer_without_an_address_waits_and_goes_on_by_itself(tenant: Tenant) -> None:
    """When an address arrives the waiting run looks at the present state; no address is ever invented."""
    cus = await tenant.new_customer("Silent", None)
    waiting = await tenant.run(cus, "parked")
    assert waiting["problem"]["code"] == "no_email"
    assert (await tenant.togai_state())["customers"] == []

    await tenant.stripe("POST", f"/v1/customers/{cus}", data={"email": "now@silent.test", "name": "3M"})
    await tenant.mapping(cus)
    run = await tenant.run(cus, "succeeded")
    [customer] = (await tenant.togai_state())["customers"]

    assert run["id"] == waiting["id"]
    assert (customer["primaryEmail"], customer["name"]) == ("now@silent.test", f"3M ({cus})")


async def test_a_customer_deleted_before_it_is_linked_is_not_made(tenant: Tenant) -> None:
    """The event is old by the time it is worked on: the run looks at the present state."""
    cus = await tenant.new_customer("Gone", None)
    await tenant.run(cus, "parked")
    await tenant.stripe("DELETE", f"/v1/customers/{cus}")

    run = await tenant.run(cus, "skipped", "missed", event_type="customer.created")

    assert "deleted" in run["reason"]
    assert (await tenant.togai_state())["customers"] == []


async def test_many_at_once_in_both_directions(tenant: Tenant) -> None:
    """Forty of each, at the same time: one counterpart each, no more."""
    await asyncio.gather(*(tenant.new_account(f"a{n}") for n in range(40)))
    made = await asyncio.gather(*(tenant.new_customer(f"Customer {n}", f"{n}@x.test") for n in range(40)))
    await asyncio.gather(*(tenant.mapping(f"a{n}") for n in range(40)))
    await asyncio.gather(*(tenant.mapping(cus) for cus in made))

    customers, state = await tenant.stripe_customers(), await tenant.togai_state()

    assert len(customers) == 80
    assert len(state["accounts"]) == 80
    assert len({c["metadata"]["togai_account_id"] for c in customers if c["metadata"]}) in range(40, 81)
