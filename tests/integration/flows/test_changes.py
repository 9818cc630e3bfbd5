"""What is changed on one side of a linked pair reaches the other, or is shown; archive and deletion are marks."""

from __future__ import annotations

from typing import Any

import pytest

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


async def test_a_change_is_one_write_and_its_echo_none(polled: Tenant) -> None:
    """Nobody writes what is there already, however often the same is reported."""
    cus = await made_in_togai(polled)
    await polled.forget_calls()
    await polled.fault("stripe", "duplicate", {"event_type": "customer.updated"})
    await polled.togai("PATCH", "/customers/c-acme", json={"name": "Acme II"})
    await in_stripe(polled, cus, name="Acme II")
    await polled.run(cus, "in_sync", event_type="customer.updated")
    await polled.settled(cus)
    await polled.settled("acme")

    calls = await polled.calls()
    assert calls["stripe:customers.update"] == 1
    assert calls["togai:customers.update"] == 1  # the person's own
    assert "togai:accounts.update" not in calls


async def test_what_the_other_side_changes_is_shown_and_neither_copied_nor_reverted(polled: Tenant) -> None:
    """The run says who owns the field; both values are at hand until they are equal again."""
    cus = await made_in_togai(polled)
    await polled.stripe("POST", f"/v1/customers/{cus}", data={"name": "By hand"})
    run = await polled.run(cus, "in_sync", event_type="customer.updated")
    [difference] = await polled.differences()
    await polled.togai("PATCH", "/accounts/acme", json={"primaryEmail": "new@acme.test"})
    customer = await in_stripe(polled, cus, email="new@acme.test")

    assert "name is owned by Togai" in " ".join(run["steps"][0]["notes"])
    assert (difference["field"], difference["owner"]) == ("name", "togai")
    assert difference["values"] == {"togai": "Customer c-acme", "stripe": "By hand"}
    assert customer["name"] == "By hand"

    await polled.togai("PATCH", "/customers/c-acme", json={"name": "Acme II"})
    await in_stripe(polled, cus, name="Acme II")
    await until(lambda: _gone(polled), "the difference gone")


async def _gone(tenant: Tenant) -> bool:
    return not await tenant.differences()


async def test_a_customer_with_two_accounts_reaches_both_stripe_customers(polled: Tenant) -> None:
    """The name is the customer's; an e-mail address of one account is its own."""
    first = await made_in_togai(polled, "one", primaryEmail="one@acme.test")
    await polled.togai("POST", "/accounts", json={"id": "two", "name": "Account two", "customerId": "c-one"})
    second = str((await polled.mapping("two"))["stripe_id"])
    await polled.togai("PATCH", "/customers/c-one", json={"name": "Both", "primaryEmail": "all@acme.test"})

    await in_stripe(polled, first, name="Both", email="one@acme.test")
    await in_stripe(polled, second, name="Both", email="all@acme.test")


async def test_a_call_that_lands_long_after_its_time_out_is_repaired(polled: Tenant) -> None:
    """It sets all that it carries back, the phone number in the address too; the next comparison writes it again."""
    cus = await made_in_stripe(polled, phone="+1", **{"address[line1]": "1 St", "address[country]": "DE"})
    account = f"acc_{cus}"
    fault = await polled.fault("togai", "hang_before", {"operation": "accounts.update"}, times=1, seconds=8)
    await polled.stripe("POST", f"/v1/customers/{cus}", data={"address[line1]": "2 St"})

    async def landed() -> bool:
        found = await polled.stack.control("GET", "/history", params={"account": polled.togai_org})
        ours = [v["body"]["address"]["line1"] for v in found["versions"] if v["id"] == account]
        return "2 St" in ours

    await polled.struck(fault)
    await polled.stripe("POST", f"/v1/customers/{cus}", data={"address[line1]": "3 St"})
    wanted = {"line1": "3 St", "country": "DE"}
    await in_togai(polled, "accounts", account, address=wanted | {"phoneNumber": "+1"})
    await polled.stripe("POST", f"/v1/customers/{cus}", data={"phone": "+2"})
    await in_togai(polled, "accounts", account, address=wanted | {"phoneNumber": "+2"})
    await until(landed, "the first write at Togai")

    await in_togai(polled, "accounts", account, address=wanted | {"phoneNumber": "+2"})
    await polled.settled(cus)
    assert await polled.differences() == []


async def test_archived_in_togai_is_a_mark_in_stripe_that_goes_again(polled: Tenant) -> None:
    """And nothing is deleted at Stripe."""
    cus = await made_in_togai(polled)
    await polled.togai("DELETE", "/accounts/acme")
    marked = await until(lambda: _status(polled, cus, "archived"), "the mark")
    await polled.unarchive("acme")
    await until(lambda: _status(polled, cus, None), "no mark")

    assert marked["metadata"]["togai_account_id"] == "acme"
    assert not marked.get("deleted")


async def test_unarchived_before_it_had_a_partner(polled: Tenant) -> None:
    """Nothing is made for an account in the archive; as soon as it leaves it, it gets its Stripe customer."""
    await polled.switch("togai-account-to-stripe-customer", enabled=False)
    await polled.new_account("late")
    await until(lambda: _looks(polled, "late", 1), "a comparison of the new account")
    await polled.togai("DELETE", "/accounts/late")
    await until(lambda: _looks(polled, "late", 2), "a comparison of it in the archive")
    await polled.switch("togai-account-to-stripe-customer", enabled=True)
    await polled.unarchive("late")

    await polled.mapping("late")
    assert len(await polled.stripe_customers()) == 1


@pytest.mark.parametrize("kind", ["error_before", "error_after"])
async def test_deleted_while_its_other_side_is_being_made(polled: Tenant, kind: str) -> None:
    """The claim is brought to an end, whether the account was made or not: nobody waits for it for ever."""
    match = {"operation": "customers.create"}
    fault = await polled.fault("togai", kind, match, **({"times": 1} if kind == "error_after" else {}))
    blind = await polled.fault("togai", "error_before", {"operation": "settings.retrieve"})
    cus = await polled.new_customer("Gone Inc", "gone@x.test")
    await polled.run(cus, "parked", event_type="customer.created")
    await polled.stripe("DELETE", f"/v1/customers/{cus}")
    for rule in (fault, blind):
        await polled.stack.control("DELETE", f"/faults/{rule}")

    mapping = await polled.mapping(cus, "withdrawn" if kind == "error_before" else "deleted")
    await polled.settled(cus)
    assert "was deleted in Stripe" in mapping["reason"]
    assert len((await polled.togai_state())["accounts"]) == (0 if kind == "error_before" else 1)


async def test_archived_while_its_other_side_is_being_made(polled: Tenant) -> None:
    """What was begun is brought to an end: the customer is made, and marked as archived."""
    fault = await polled.fault("stripe", "error_before", {"operation": "customers.create"}, stored=False)
    await polled.new_account("acme")
    await polled.run("acme", "parked", event_type="account.created")
    await polled.togai("DELETE", "/accounts/acme")
    await polled.stack.control("DELETE", f"/faults/{fault}")

    cus = str((await polled.mapping("acme"))["stripe_id"])
    await until(lambda: _status(polled, cus, "archived"), "the mark")
    await polled.settled("acme")
    assert [customer["id"] for customer in await polled.stripe_customers()] == [cus]


async def _looks(tenant: Tenant, account: str, least: int) -> bool:
    return len([r for r in await tenant.runs(account) if "account.updated" in r["event_type"]]) >= least


async def _status(tenant: Tenant, cus: str, wanted: str | None) -> dict[str, Any] | None:
    customer = await tenant.stripe("GET", f"/v1/customers/{cus}")
    return customer if customer["metadata"].get("togai_status") == wanted else None


@pytest.mark.parametrize("origin", ["togai", "stripe"])
async def test_deleted_in_stripe_is_a_state_of_the_link(polled: Tenant, origin: str) -> None:
    """The account stays active, and no later event makes the customer again."""
    cus = await (made_in_togai(polled) if origin == "togai" else made_in_stripe(polled))
    account = "acme" if origin == "togai" else f"acc_{cus}"
    customer = "c-acme" if origin == "togai" else cus
    await polled.stripe("DELETE", f"/v1/customers/{cus}")
    mapping = await polled.mapping(cus, "deleted")
    await polled.togai("PATCH", f"/customers/{customer}", json={"name": "Still here"})

    async def compared() -> bool:
        runs = await polled.runs(account)
        return any("deleted in Stripe" in str(r["reason"]) and "account.updated" in r["event_type"] for r in runs)

    await until(compared, "a comparison of the account after the deletion")
    await polled.settled(account)
    assert "was deleted in Stripe" in mapping["reason"]
    assert (await polled.togai("GET", f"/accounts/{account}"))["status"] == "ACTIVE"
    assert [c["id"] for c in await polled.stripe_customers() if not c.get("deleted")] == []


async def test_stripes_changes_wait_while_the_account_is_archived(polled: Tenant) -> None:
    """Togai takes no changes then: a difference says so, and it goes by itself."""
    cus = await made_in_stripe(polled)
    await polled.togai("DELETE", f"/accounts/acc_{cus}")
    await until(lambda: _status(polled, cus, "archived"), "the mark")
    await polled.stripe("POST", f"/v1/customers/{cus}", data={"name": "Globex II"})

    async def shown() -> list[dict[str, Any]]:
        return [d for d in await polled.differences() if "archived in Togai" in d["reason"]]

    await until(shown, "the difference")
    await polled.unarchive(f"acc_{cus}")
    await in_togai(polled, "customers", cus, name="Globex II")


async def test_two_that_write_the_same_pair_in_turn_are_parked(polled: Tenant) -> None:
    """Another integration reverts what we write: after five writes it does not settle, and says so."""
    cus = await made_in_togai(polled)
    for number in range(12):
        await polled.togai("PATCH", "/customers/c-acme", json={"name": f"Acme {number}"})
        if any(r["state"] == "parked" for r in await polled.runs("acme")):
            break
        await in_or_parked(polled, cus, f"Acme {number}")
    parked = await polled.run("acme", "parked", "succeeded", event_type="account.updated")

    runs = [r for r in await polled.runs("acme") if "does not settle" in str(r["reason"])]
    assert runs or parked["state"] == "succeeded"
    last = (await polled.togai("GET", "/customers/c-acme"))["name"]
    await in_stripe(polled, cus, name=last)


async def in_or_parked(tenant: Tenant, cus: str, name: str) -> None:
    async def either() -> bool:
        customer = await tenant.stripe("GET", f"/v1/customers/{cus}")
        return customer["name"] == name or any(r["state"] == "parked" for r in await tenant.runs("acme"))

    await until(either, f"{name} in Stripe, or a parked run")


async def test_an_error_after_the_write_is_checked_again_and_not_written_twice(polled: Tenant) -> None:
    """500 after the commit, and a time-out: setting a state is decided on what both sides say then."""
    cus = await made_in_togai(polled)
    await polled.fault("stripe", "error_after", {"operation": "customers.update"}, times=1)
    await polled.forget_calls()
    await polled.togai("PATCH", "/customers/c-acme", json={"name": "Acme II"})
    await in_stripe(polled, cus, name="Acme II")
    await polled.run("acme", "in_sync", "succeeded", event_type="account.updated")
    await polled.settled("acme")

    assert (await polled.calls())["stripe:customers.update"] == 1
    assert await polled.differences() == []
