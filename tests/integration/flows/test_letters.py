"""A dead letter from the refusal to its end, through every process."""

from __future__ import annotations

from typing import Any

from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant


async def test_a_new_account_that_is_refused_has_one_letter_which_closes_when_it_is_mended(eager: Stack) -> None:
    """The webhook and the pollers tell of it; a retry goes on with the newest, and what it did closes the letter."""
    tenant = await Tenant.make(eager)
    fault = await tenant.fault("togai", "error_before", {"path": "*/accounts/bad"}, status=400)
    await tenant.new_account("bad")

    async def both_died() -> bool:
        runs = (await tenant.stack.api("/runs", id="bad", limit=200))["items"]
        made = [run["state"] for run in runs if run["flow"] == "togai-account-to-stripe-customer"]
        return sorted(made) == ["dead", "superseded"]

    await until(both_died, "the webhook's run and the poll's")
    [letter] = await tenant.dead_letters("bad")
    status = await tenant.stack.api("/status")
    assert letter["state"] == "open"
    assert (status["healthy"], any("dead letter" in problem for problem in status["problems"])) == (False, True)

    await tenant.stack.control("DELETE", f"/faults/{fault}")
    await tenant.ask("POST", f"/dead-letters/{letter['id']}/retry")

    async def closed() -> dict[str, Any]:
        [found] = await tenant.dead_letters("bad")
        return found if found["state"] == "resolved" else {}

    found = await until(closed, "the letter resolved")
    assert found["changed_reason"].endswith("ended succeeded")
    assert (await tenant.mapping("bad"))["state"] == "linked"
    await tenant.leave()
