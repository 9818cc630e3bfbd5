"""Flow 1 and flow 2 on real parts: what is made on one side stands on the other, once, each with the other's id."""

from __future__ import annotations

from tests.stack.processes import until
from tests.stack.tenants import Tenant


async def took(tenant: Tenant, account: str, calls: dict[str, int]) -> None:
    """Wait until the calls are these: an event of a poll that shows what was just made costs none."""
    if not tenant.webhooks:
        await tenant.run(account, "in_sync", event_type="account.updated")

    async def same() -> bool:
        return await tenant.calls() == calls

    await until(same, f"calls {calls}, and nothing else but the polls: {await tenant.calls()}")


async def test_a_togai_account_becomes_a_stripe_customer(tenant: Tenant) -> None:
    """Fields, both ids on both sides, one mapping, a terminal run; the echo starts nothing back."""
    await tenant.forget_calls()
    await tenant.new_account("acme", "acme-inc", address={"phoneNumber": "+1", "line1": "1 St", "country": "US"})

    mapping = await tenant.mapping("acme")
    run = await tenant.run("acme", "succeeded")
    [customer] = await tenant.stripe_customers()
    echo = await tenant.run(customer["id"], "skipped", "in_sync", event_type="customer.created")

    assert customer["name"] == "Customer acme-inc"
    assert customer["description"] == "Account acme"
    assert customer["email"] == "acme-inc@example.test"
    assert customer["phone"] == "+1"
    assert customer["address"]["line1"] == "1 St"
    assert customer["metadata"] == {"togai_customer_id": "acme-inc", "togai_account_id": "acme"}
    assert await tenant.setting_of("acme") == customer["id"]
    assert (mapping["stripe_id"], mapping["togai_account_id"]) == (customer["id"], "acme")
    assert [step["state"] for step in run["steps"]] == ["in_sync", "succeeded", "succeeded", "in_sync"]
    assert run["id"] in echo["reason"]
    await took(
        tenant,
        "acme",
        {
            "togai:customers.create": 1,
            "togai:accounts.retrieve": 1,
            "togai:customers.retrieve": 1,
            "togai:settings.retrieve": 1,
            "stripe:customers.create": 1,
            "togai:settings.create": 1,
        },
    )


async def test_a_stripe_customer_becomes_a_togai_customer_with_an_account(tenant: Tenant) -> None:
    """One create at Togai with account and setting inside, one write of metadata at Stripe."""
    await tenant.forget_calls()
    cus = await tenant.new_customer("Globex", "g@globex.test", **{"address[country]": "DE", "phone": "+49"})

    await tenant.mapping(cus)
    run = await tenant.run(cus, "succeeded", event_type="customer.created")
    await tenant.settled(f"acc_{cus}")
    state = await tenant.togai_state()

    [customer] = state["customers"]
    [account] = state["accounts"]
    assert (customer["id"], customer["name"], customer["primaryEmail"]) == (cus, "Globex", "g@globex.test")
    assert customer["address"] == {"phoneNumber": "+49", "country": "DE"}
    assert (account["id"], account["customerId"], account["invoiceCurrency"]) == (f"acc_{cus}", cus, "USD")
    assert await tenant.setting_of(f"acc_{cus}") == cus
    [at_stripe] = await tenant.stripe_customers()
    assert at_stripe["metadata"] == {"togai_customer_id": cus, "togai_account_id": f"acc_{cus}"}
    assert "invoice currency USD: the default currency" in run["steps"][0]["notes"]
    await took(
        tenant,
        f"acc_{cus}",
        {
            "stripe:customers.create": 1,
            "togai:customers.create": 1,
            "stripe:customers.update": 1,
        },
    )
