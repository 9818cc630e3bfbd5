"""A person mends links with the command, and the running Tandem does it."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.console.test_manage import command
from tests.stack.processes import until
from tests.stack.tenants import Tenant


async def test_a_conflict_is_listed_decided_and_goes_on(tenant: Tenant) -> None:
    """Two customers with one address: the second asks, and gets its own when a person says so."""
    first = await tenant.stripe("POST", "/v1/customers", data={"name": "Ada", "email": "ada@one.test"})
    await tenant.mapping(first["id"])
    second = await tenant.stripe("POST", "/v1/customers", data={"name": "Ada too", "email": "ada@one.test"})

    async def listed() -> list[Any]:
        _, output = await command(tenant, "conflicts", "list", "--id", second["id"], "--json")
        return list(json.loads(output)["items"])

    (found,) = await until(listed, "the conflict")
    assert [c["linked_to"].rpartition("/")[2] for c in found["candidates"] if c["app"] == "togai"] == [first["id"]]
    code, output = await command(tenant, "conflicts", "show", found["run"])
    assert code == 0, output
    assert f"tandem mappings separate {second['id']}" in output

    code, output = await command(tenant, "mappings", "separate", second["id"], "--reason", "two people of one company")

    assert code == 0, output
    assert "matches none that is there" in output
    made = await tenant.mapping(second["id"])
    assert made["togai_account_id"] == f"acc_{second['id']}"
    assert await listed() == []


async def test_a_link_is_taken_back_and_made_anew(tenant: Tenant) -> None:
    """The ids at both vendors go and come with it; what was wrong is named, with exit code 1."""
    customer = await tenant.stripe("POST", "/v1/customers", data={"name": "Bob", "email": "bob@one.test"})
    account = (await tenant.mapping(customer["id"]))["togai_account_id"]

    code, output = await command(tenant, "mappings", "unlink", account, "--reason", "a mistake")
    assert code == 0, output
    assert (await tenant.setting_of(account)) in (None, "")

    by_hand = ("--reason", "it was right", "--flow-link", f"link_{tenant.name}_links-by-hand")
    code, output = await command(tenant, "mappings", "link", f"togai={account}", "stripe=cus_nobody", *by_hand)
    assert (code, "nothing was linked" in output) == (1, True), output
    code, output = await command(tenant, "customers", "link", account, customer["id"], *by_hand)
    assert code == 0, output
    assert f"{account} and {customer['id']} are one" in output
    assert await tenant.setting_of(account) == customer["id"]
    pair = await tenant.mapping(customer["id"])
    assert (pair["rule"], pair["reason"]) == ("manual", "it was right")
