"""Several keys to one account, and many pairs at once, through every process.

Who belongs to whom: tests/integration/customers/test_pairs.py.
"""

from __future__ import annotations

import asyncio

from tests.integration.flows.conftest import BY_WEBHOOK
from tests.stack.processes import until
from tests.stack.tenants import TO_STRIPE, TO_TOGAI, Tenant


@BY_WEBHOOK
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


@BY_WEBHOOK
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
