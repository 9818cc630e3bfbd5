"""An import whose importer, worker and broker are killed, one after the other: nobody is missing, nobody is twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.integration.flows.test_import import before_tandem, imported
from tests.stack.broker import own_broker
from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant

ALL, WITHOUT_ADDRESS = 300, 20


async def past(tenant: Tenant, count: int) -> None:
    """Wait until so many are linked."""

    async def linked() -> bool:
        found = (await tenant.stack.api("/imports"))["items"]
        return bool(found and found[0]["linked"] >= count)

    await until(linked, f"{count} linked", 120)


@pytest.mark.long("the gate dies at each write of a small import, in integration/customers/test_import_kills.py")
async def test_importer_worker_and_broker_are_killed(tmp_path: Path) -> None:
    """Each comes back, and the import comes to its end by itself; a second one writes nothing."""
    async with own_broker(tmp_path / "kafka-home") as broker:
        stack = await Stack.start(tmp_path / "stack", broker.bootstrap, workers=2, TANDEM_APPEND_TIMEOUT="1")
        try:
            tenant = await before_tandem(stack, ALL, WITHOUT_ADDRESS)
            importing = asyncio.create_task(imported(tenant))
            await past(tenant, 1)
            await stack.children["ingress"].kill()
            stack.launch("ingress")
            await past(tenant, 60)
            await stack.children["worker-1"].kill()
            stack.launch_worker(1)
            await past(tenant, 140)
            await broker.kill()
            await broker.start()
            first = await importing
            await tenant.forget_calls()
            second = await imported(tenant)
            calls = await tenant.calls()
            accounts = (await tenant.togai_state())["accounts"]

            assert (first["listed"], first["waiting"]) == (ALL, WITHOUT_ADDRESS)
            assert first["linked"] + first["already"] == ALL - WITHOUT_ADDRESS
            assert (second["linked"], second["already"]) == (0, ALL - WITHOUT_ADDRESS)
            assert [name for name in calls if name.endswith((".create", ".update"))] == []
            assert len({account["id"] for account in accounts}) == len(accounts) == ALL - WITHOUT_ADDRESS
            assert await pairs_of(tenant) == {account["id"] for account in accounts}
        finally:
            await stack.stop()


async def pairs_of(tenant: Tenant) -> set[Any]:
    """The Togai accounts that Stripe's customers name, each once."""
    named = [customer["metadata"].get("togai_account_id") for customer in await tenant.stripe_customers()]
    found = [name for name in named if name]
    assert len(found) == len(set(found))
    return set(found)
