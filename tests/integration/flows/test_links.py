"""Links through every process: made on both sides at once, by hand in the console, and before the index is there.

The rules of links: tests/integration/customers/test_links.py.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from tests.integration.flows.conftest import POLLED_BY_WEBHOOK
from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant


async def made_before(tenant: Tenant, *customers: tuple[str, str]) -> list[str]:
    """Stripe customers that stand there unlinked and indexed: what was before the flows were switched on."""
    for flow in ("stripe-customer-to-togai-customer", "togai-account-to-stripe-customer"):
        await tenant.switch(flow, enabled=False)
    made = [await tenant.new_customer(name, email) for name, email in customers]
    for cus in made:
        await tenant.run(cus, "missed", event_type="customer.created")
    return made


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


@POLLED_BY_WEBHOOK
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
