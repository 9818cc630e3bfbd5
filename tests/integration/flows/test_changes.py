"""What is changed on one side of a linked pair reaches the other through every process, with webhooks and without.

All other laws of changes: tests/integration/customers/test_changes.py.
"""

from __future__ import annotations

from typing import Any

from tests.stack.processes import until
from tests.stack.tenants import Tenant

ADDRESS = {"phoneNumber": "+1", "line1": "1 St", "city": "Ulm", "country": "DE"}


async def made_in_togai(tenant: Tenant, account: str = "acme", **fields: Any) -> str:
    """A linked pair that was born in Togai: the Stripe customer's id."""
    await tenant.new_account(account, **fields)
    pair = await tenant.mapping(account)
    await tenant.settled(account)
    return str(pair["stripe_id"])


async def made_in_stripe(tenant: Tenant, **fields: str) -> str:
    """A linked pair that was born in Stripe: the Stripe customer's id."""
    cus = await tenant.new_customer("Globex", "g@globex.test", **fields)
    await tenant.mapping(cus)
    await tenant.run(cus, "succeeded", event_type="customer.created")
    return cus


async def in_stripe(tenant: Tenant, cus: str, **wanted: Any) -> dict[str, Any]:
    """Wait until a Stripe customer has these values."""

    async def has() -> dict[str, Any] | None:
        customer = await tenant.stripe("GET", f"/v1/customers/{cus}")
        return customer if all(customer.get(name) == value for name, value in wanted.items()) else None

    return dict(await until(has, f"{cus} with {wanted}"))


async def in_togai(tenant: Tenant, noun: str, entity: str, **wanted: Any) -> dict[str, Any]:
    """Wait until a Togai customer or account has these values."""

    async def has() -> dict[str, Any] | None:
        found = await tenant.togai("GET", f"/{noun}/{entity}")
        return found if all(found.get(name) == value for name, value in wanted.items()) else None

    return dict(await until(has, f"{noun} {entity} with {wanted}"))


async def test_every_field_travels_from_togai_to_stripe(polled: Tenant) -> None:
    """Name, e-mail, phone, address as a whole, and the chosen metadata; nothing else is touched."""
    cus = await made_in_togai(polled, address=ADDRESS)
    await polled.stripe("POST", f"/v1/customers/{cus}", data={"metadata[theirs]": "stays", "balance": "5"})
    await polled.togai("PATCH", "/customers/c-acme", json={"name": "Acme II"})
    changes = {
        "primaryEmail": "new@acme.test",
        "address": {"phoneNumber": "+2", "line1": "2 St"},
        "metadata": {"VATN": "GB1", "private": "x"},
    }
    await polled.togai("PATCH", "/accounts/acme", json=changes)

    customer = await in_stripe(polled, cus, name="Acme II", email="new@acme.test", phone="+2")
    assert {k: v for k, v in customer["address"].items() if v} == {"line1": "2 St"}
    assert customer["metadata"] == {
        "togai_account_id": "acme", "togai_customer_id": "c-acme", "theirs": "stays", "VATN": "GB1"
    }  # fmt: skip
    assert customer["balance"] == 5
    assert await polled.differences() == []


async def test_every_field_travels_from_stripe_to_togai(polled: Tenant) -> None:
    """To the account, and to the customer that Tandem made above it; other metadata of the account stays."""
    cus = await made_in_stripe(polled)
    await polled.togai("PATCH", f"/accounts/acc_{cus}", json={"metadata": {"private": "x"}})
    data = {"name": "Globex II", "email": "new@globex.test", "phone": "+3"}
    data |= {"address[line1]": "3 St", "metadata[VATN]": "DE2"}
    await polled.stripe("POST", f"/v1/customers/{cus}", data=data)

    wanted = {"name": "Globex II", "primaryEmail": "new@globex.test", "address": {"phoneNumber": "+3", "line1": "3 St"}}
    await in_togai(polled, "customers", cus, **wanted)
    await in_togai(polled, "accounts", f"acc_{cus}", **wanted, metadata={"private": "x", "VATN": "DE2"})
    assert await polled.differences() == []
