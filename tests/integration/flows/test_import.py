"""Bulk import: what stood in Stripe before Tandem came is linked, nothing twice, and the rest waits and says so."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from typing import Any

from tests.stack.processes import Stack, until
from tests.stack.tenants import TO_TOGAI, Tenant

ALL, WITHOUT_ADDRESS = 45, 14


async def before_tandem(stack: Stack, count: int, without: int) -> Tenant:
    """A Stripe account with customers, then connected: no event of theirs is Tandem's."""
    name = secrets.token_hex(4)
    stripe = await stack.control("POST", "/accounts", json={"app": "stripe", "key": f"sk_test_{name}"})
    togai = await stack.control("POST", "/accounts", json={"app": "togai", "key": f"togai_{name}"})
    tenant = Tenant(stack, name, stripe["key"], stripe["id"], togai["key"], togai["id"])
    for number in range(count):
        email = {} if number < without else {"email": f"c{number}@{name}.example"}
        await tenant.stripe("POST", "/v1/customers", data={"name": f"Customer {number}"} | email)
    await tenant.connect_stripe(f"con_s{name}", tenant.stripe_key)
    await tenant.connect_togai(f"con_t{name}", tenant.togai_token)
    await tenant.link(TO_TOGAI)
    await tenant.indexed()
    return tenant


async def imported(tenant: Tenant, **payload: Any) -> dict[str, Any]:
    """Ask for an import, and what it is when it has ended."""
    body = {"kind": "customers", "payload": payload, "flow_link": tenant.link_id(TO_TOGAI)}
    asked = await tenant.ask("POST", "/imports", **body)

    async def done() -> dict[str, Any]:
        found = await tenant.stack.api(f"/imports/{asked['id']}")
        return found if found["state"] == "done" else {}

    return dict(await until(done, f"import {asked['id']}", 120))


async def test_what_was_there_is_linked_once_and_the_rest_waits(stack: Stack) -> None:
    """Counts are of what is linked, never of what was read; a second import writes nothing."""
    tenant = await before_tandem(stack, ALL, WITHOUT_ADDRESS)
    first = await imported(tenant)
    await tenant.forget_calls()
    second = await imported(tenant)
    calls = await tenant.calls()

    assert (first["listed"], first["linked"], first["waiting"]) == (ALL, ALL - WITHOUT_ADDRESS, WITHOUT_ADDRESS)
    assert (second["listed"], second["linked"], second["already"]) == (ALL, 0, ALL - WITHOUT_ADDRESS)
    assert second["waiting"] == WITHOUT_ADDRESS
    assert [name for name in calls if name.endswith((".create", ".update"))] == []
    assert len((await tenant.togai_state())["accounts"]) == ALL - WITHOUT_ADDRESS
    await tenant.leave()


async def started(tenant: Tenant, *options: str) -> asyncio.subprocess.Process:
    """The script, as a person starts it in the foreground."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ingress.bulk_import", "customers", "--flow-link", tenant.link_id(TO_TOGAI), *options,
        env=tenant.stack.environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def test_the_script_is_paused_by_ctrl_c_and_goes_on_at_its_second_start(stack: Stack) -> None:
    """The same import, to its end: everybody is linked once."""
    tenant = await before_tandem(stack, 5, 1)
    fault = await tenant.fault("stripe", "error_before", {"operation": "customers.list"})
    first = await started(tenant)
    assert first.stdout
    said = b""
    while b"; " not in said:  # the problem, which it waits out
        said = await asyncio.wait_for(first.stdout.readline(), 60)
        assert said, "the script ended by itself"
    name = said.split()[0].decode()
    first.send_signal(signal.SIGINT)
    rest, _ = await asyncio.wait_for(first.communicate(), 60)
    paused = await tenant.stack.api(f"/imports/{name}")
    await stack.control("DELETE", f"/faults/{fault}")
    second = await started(tenant)
    shown, _ = await asyncio.wait_for(second.communicate(), 60)

    async def done() -> dict[str, Any]:
        found = await tenant.stack.api(f"/imports/{name}")
        return found if found["state"] == "done" else {}

    found = await until(done, f"import {name}", 60)

    assert (first.returncode, second.returncode) == (130, 0)
    assert b"start it again to go on" in rest
    assert (paused["state"], paused["listed"]) == ("paused", 0)
    assert f"tandem imports show {name}".encode() in shown
    assert (found["linked"], found["waiting"]) == (4, 1)
    assert len((await tenant.togai_state())["accounts"]) == 4
    await tenant.leave()
