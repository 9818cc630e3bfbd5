"""Links by address and by hand: never a guess, and what a person decides holds."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant

SAME = "same@one.test"


async def made_before(tenant: Tenant, *customers: tuple[str, str]) -> list[str]:
    """Stripe customers that stand there unlinked and indexed: what was before the flows were switched on."""
    for flow in ("stripe-customer-to-togai-customer", "togai-account-to-stripe-customer"):
        await tenant.switch(flow, enabled=False)
    made = [await tenant.new_customer(name, email) for name, email in customers]
    for cus in made:
        await tenant.run(cus, "missed", event_type="customer.created")
    return made


async def on(tenant: Tenant) -> None:
    for flow in ("stripe-customer-to-togai-customer", "togai-account-to-stripe-customer"):
        await tenant.switch(flow, enabled=True)


async def test_one_unlinked_customer_with_the_address_is_linked(polled: Tenant) -> None:
    """In any capitals; both get the other's id, and Togai's values hold."""
    [cus] = await made_before(polled, ("Old Inc", "Same@One.TEST"))
    await on(polled)
    await polled.new_account("acme", primaryEmail=SAME)

    mapping = await polled.mapping("acme")
    await polled.run("acme", "succeeded")
    [customer] = await polled.stripe_customers()
    assert (mapping["stripe_id"], mapping["rule"]) == (cus, "email")
    assert customer["metadata"] == {"togai_account_id": "acme", "togai_customer_id": "c-acme"}
    assert customer["name"] == "Customer c-acme"
    assert await polled.setting_of("acme") == cus


async def test_one_unlinked_account_with_the_address_is_linked(polled: Tenant) -> None:
    """The other direction: a new Stripe customer finds the account."""
    await made_before(polled)
    await polled.new_account("acme", primaryEmail=SAME)
    await polled.run("acme", "missed", event_type="account.created")
    await polled.run("acme", "skipped", event_type="account.updated")
    await on(polled)
    cus = await polled.new_customer("New Inc", SAME)

    mapping = await polled.mapping(cus)
    await polled.run(cus, "succeeded", event_type="customer.created")
    assert (mapping["togai_account_id"], mapping["rule"]) == ("acme", "email")
    assert len((await polled.togai_state())["accounts"]) == 1
    assert (await polled.stripe("GET", f"/v1/customers/{cus}"))["name"] == "Customer c-acme"


async def test_several_with_the_address_are_a_conflict_that_a_person_decides(polled: Tenant) -> None:
    """Nothing is made; all candidates are shown; the link lets the same run go on at once."""
    first, second = await made_before(polled, ("One", SAME), ("Two", SAME))
    await on(polled)
    await polled.new_account("acme", primaryEmail=SAME)
    run = await polled.run("acme", "parked")
    # One for each event of it: the webhook's, and what the poller saw.
    conflicts = await until(lambda: polled.conflicts("acme"), "a conflict of acme")

    assert conflicts
    assert all({c["id"] for c in conflict["candidates"]} == {first, second} for conflict in conflicts)
    assert len(await polled.stripe_customers()) == 2
    # The pollers know the account by now: one that they have not seen yet is no candidate of anybody.
    await polled.run("acme", "skipped", event_type="account.updated")
    third = await polled.new_customer("Three", SAME)
    await until(lambda: chooses(polled, "acme", {first, second, third}), "the candidate that came later")
    await polled.stripe("DELETE", f"/v1/customers/{third}")
    await until(lambda: chooses(polled, "acme", {first, second}), "the candidates that are left")
    body = {"sides": {"togai": "acme", "stripe": second}, "reason": "asked them"}
    await polled.ask("POST", "/mappings/link", **body, flow_link=polled.link_id("links-by-hand"))

    mapping = await polled.mapping("acme")
    assert (mapping["stripe_id"], mapping["rule"]) == (second, "manual")
    await polled.settled("acme")
    assert (await polled.stack.api(f"/runs/{run['id']}"))["state"] in ("in_sync", "succeeded")
    await until(lambda: no_conflicts(polled, "acme"), "no conflict any more")
    assert await polled.setting_of("acme") == second
    linked = {c["id"]: c["metadata"].get("togai_account_id") for c in await polled.stripe_customers()}
    assert linked == {first: None, second: "acme", third: None}


async def chooses(tenant: Tenant, entity: str, candidates: set[str]) -> bool:
    """Whether the entity's own conflicts show these candidates."""
    found = await own_conflicts(tenant, entity)
    return bool(found) and all({c["id"] for c in conflict["candidates"]} == candidates for conflict in found)


async def no_conflicts(tenant: Tenant, entity: str) -> bool:
    return not await own_conflicts(tenant, entity)


async def own_conflicts(tenant: Tenant, entity: str) -> list[dict[str, Any]]:
    """Those of the entity, without those in which it is a candidate."""
    return [conflict for conflict in await tenant.conflicts(entity) if conflict["entity"]["id"] == entity]


async def test_an_address_that_is_linked_already_is_a_conflict_and_separate_makes_its_own(polled: Tenant) -> None:
    """Two firms of one owner, say: only a person knows."""
    cus = await polled.new_customer("First", SAME)
    await polled.mapping(cus)
    other = await polled.new_customer("Second", SAME)
    # It may be parked for something else first: the index is being read, another run is linking.
    [conflict] = await until(lambda: polled.conflicts(other), "the conflict")
    assert [c["linked_to"] is not None for c in conflict["candidates"]] == [True]

    link = polled.link_id("links-by-hand")

    async def asked() -> bool:
        try:
            await polled.ask("POST", "/mappings/separate", id=other, reason="another firm", flow_link=link)
        except AssertionError as refused:
            # Its run is looking again this moment, for news of its address came: a person asks once more.
            if "no_conflict" not in str(refused):
                raise
            return False
        return True

    await until(asked, "the decision")
    mapping = await polled.mapping(other)
    assert (mapping["togai_account_id"], mapping["rule"]) == (f"acc_{other}", "created")


async def test_accounts_of_one_customer_share_an_address_and_each_gets_its_own(polled: Tenant) -> None:
    """Siblings are no conflict: one Togai account is one Stripe customer."""
    await polled.new_account("one", "c-one")
    await polled.togai("POST", "/accounts", json={"id": "two", "name": "Account two", "customerId": "c-one"})
    pairs = {(await polled.mapping(account))["stripe_id"] for account in ("one", "two")}

    assert len(pairs) == 2
    assert {c["email"] for c in await polled.stripe_customers()} == {"c-one@example.test"}


async def test_created_on_both_sides_in_the_same_second(polled: Tenant) -> None:
    """One pair, or a conflict that is shown: never two silent pairs."""
    numbers = range(6)
    made = await asyncio.gather(
        *(polled.new_account(f"a{n}", primaryEmail=f"{n}@both.test") for n in numbers),
        *(polled.new_customer(f"Both {n}", f"{n}@both.test") for n in numbers),
    )
    accounts, customers = made[: len(numbers)], made[len(numbers) :]
    for account, cus in zip(accounts, customers, strict=True):
        await until(lambda a=account, c=cus: pair_or_conflict(polled, a, c), f"{account} and {cus} settled")


async def pair_or_conflict(tenant: Tenant, account: str, cus: str) -> bool:
    linked = [m for m in await tenant.mappings(account, cus) if m["state"] == "linked"]
    pairs = {m["id"]: (m["togai_account_id"], m["stripe_id"]) for m in linked}
    if set(pairs.values()) == {(account, cus)}:
        return True
    return bool(pairs) and bool(await tenant.conflicts(account) or await tenant.conflicts(cus))


async def test_a_wrong_link_is_mended_by_hand(polled: Tenant) -> None:
    """Relink, unlink: the ids at the vendors follow, the next event goes on, the log keeps the reason."""
    await polled.new_account("acme")
    mapping = await polled.mapping("acme")
    wrong = str(mapping["stripe_id"])
    await polled.settled("acme")
    [right] = await made_before(polled, ("Right", "right@x.test"))
    link = polled.link_id("links-by-hand")
    body: dict[str, Any] = {"id": mapping["id"], "sides": {"stripe": right}, "reason": "it was the other one"}
    await polled.ask("POST", "/mappings/relink", **body, flow_link=link)

    async def relinked() -> bool:
        return bool((await polled.mapping("acme"))["stripe_id"] == right)

    await until(relinked, "the new partner")
    await polled.run("acme", "succeeded", event_type="link_requested")
    metadata = {c["id"]: c["metadata"].get("togai_account_id") for c in await polled.stripe_customers()}
    assert metadata == {wrong: None, right: "acme"}
    assert await polled.setting_of("acme") == right
    await polled.togai("PATCH", "/customers/c-acme", json={"name": "Acme II"})

    async def renamed() -> bool:
        return bool((await polled.stripe("GET", f"/v1/customers/{right}"))["name"] == "Acme II")

    await until(renamed, "the next change at the new partner")
    assert (await polled.stripe("GET", f"/v1/customers/{wrong}"))["name"] != "Acme II"

    await polled.ask("POST", "/mappings/unlink", id=mapping["id"], reason="no customer any more", flow_link=link)
    mapping = await polled.mapping("acme", "withdrawn")
    assert "no customer any more" in mapping["reason"]
    assert await polled.setting_of("acme") == ""
    assert "togai_account_id" not in (await polled.stripe("GET", f"/v1/customers/{right}"))["metadata"]


async def test_a_dead_link_gets_a_new_partner(polled: Tenant) -> None:
    """The Stripe customer was deleted; another one takes its place."""
    await polled.new_account("acme")
    gone = str((await polled.mapping("acme"))["stripe_id"])
    await polled.stripe("DELETE", f"/v1/customers/{gone}")
    mapping = await polled.mapping("acme", "deleted")
    [new] = await made_before(polled, ("New", "new@x.test"))
    body: dict[str, Any] = {"id": mapping["id"], "sides": {"stripe": new}, "reason": "made again"}
    await polled.ask("POST", "/mappings/relink", **body, flow_link=polled.link_id("links-by-hand"))

    async def linked() -> bool:
        mapping = await polled.mapping("acme")
        return bool(mapping["stripe_id"] == new)

    await until(linked, "the new link")


async def test_a_create_waits_until_the_index_was_filled_once(eager: Stack) -> None:
    """Before that nobody knows who is there."""
    name = secrets.token_hex(4)
    # The key is known before the account: the fault is there from its first moment on, and nobody else's.
    match = {"operation": "accounts.list", "caller": Tenant.togai_key(name)}
    broken = {"app": "togai", "kind": "error_before", "match": match}
    fault = (await eager.control("POST", "/faults", json=broken))["id"]
    try:
        tenant = await Tenant.make(eager, name=name, indexed=False)
        await tenant.new_account("acme")
        run = await tenant.run("acme", "parked")
        assert run["problem"]["code"] == "not_indexed"
        assert await tenant.stripe_customers() == []
    finally:
        await eager.control("DELETE", f"/faults/{fault}")
    await tenant.mapping("acme")
