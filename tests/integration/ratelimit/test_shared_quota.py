"""Three workers, two kinds of demand, one quota: on a real Kafka, against a sandbox that counts."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import pytest
from console.http import own_machine
from shared.ratelimit.messages import HORIZON

from tests.integration.ratelimit.conftest import strict
from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant

MEASURED = 200
"""Calls whose pace is held against the quota."""
TOGAI_A_SECOND = 10


async def calls_to_togai(tenant: Tenant) -> list[dict[str, Any]]:
    """Every call that the sandbox's Togai counted for the tenant, the newest last."""
    params = {"account": tenant.togai_org, "limit": "100000"}
    return list((await tenant.stack.control("GET", "/calls", params=params))["calls"])


async def pile_up(tenant: Tenant, accounts: int, customers: int) -> None:
    """Work of both flows for longer than a test looks, written to the topics while nobody works on it."""
    stack = tenant.stack
    await asyncio.gather(*(stack.children[name].stop(15) for name in stack.workers))
    for number in range(accounts):
        await tenant.new_account(f"a{number}")
        # In between: what is older goes first, so they would be called for one kind after the other.
        for other in range(number * customers // accounts, (number + 1) * customers // accounts):
            await tenant.new_customer(f"Globex {other}")
    # The test's own calls must be out of the window before they count, or somebody else is refused for them.
    await asyncio.sleep(1.1)
    await tenant.forget_calls()
    await strict(stack)
    for number in range(1, len(stack.workers) + 1):
        stack.launch_worker(number)
    await stack.workers_ready()


async def called(tenant: Tenant, number: int, since: float = 0.0) -> list[dict[str, Any]]:
    """Wait until so many calls were counted from a time on."""

    async def enough() -> list[dict[str, Any]] | None:
        calls = [call for call in await calls_to_togai(tenant) if call["at"] >= since]
        return calls if len(calls) >= number else None

    return list(await until(enough, f"{number} calls to Togai"))


def refused(calls: list[dict[str, Any]]) -> list[str]:
    """Each 429, with when the calls before it were counted: seconds before it."""
    return [
        " ".join(f"{calls[n]['at'] - before['at']:.3f}" for before in calls[max(0, n - 12) : n])
        for n, call in enumerate(calls)
        if call["status"] == 429
    ]


async def refused_by_fault(tenant: Tenant) -> float:
    """Wait until the sandbox has refused a call as it was set to. Returns when it was."""

    async def seen() -> float | None:
        return next((call["at"] for call in await calls_to_togai(tenant) if call["fault"] == "rate_limited"), None)

    return float(await until(seen, "the 429"))


async def facts(stack: Stack, name: str, path: str) -> dict[str, Any]:
    async with own_machine(timeout=5) as http:
        return dict((await http.get(stack.url(name, path))).json())


async def used(stack: Stack, name: str) -> float:
    """SharedLimits that a worker used at Togai."""
    async with own_machine(timeout=5) as http:
        lines = (await http.get(stack.url(name, "/metrics"))).text.splitlines()
    mine = [line for line in lines if line.startswith('tandem_leases_total{app_account="togai') and '"used"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in mine)


async def test_three_workers_share_one_quota_and_hear_no_429(limited: Stack) -> None:
    """Togai's 10 a second, accounts and customers waiting at every worker: each of them calls, and none is refused."""
    tenant = await Tenant.make(limited)
    await pile_up(tenant, accounts=40, customers=8)
    kinds = {call["operation"] for call in await called(tenant, 7 * TOGAI_A_SECOND)}

    assert refused(await calls_to_togai(tenant)) == []
    assert kinds >= {"accounts.retrieve", "settings.create", "customers.create"}
    assert min([await used(limited, name) for name in limited.workers]) > 0


@pytest.mark.long("the gate has the same law on a clock that jumps: tests/unit/shared/ratelimit/test_laws.py")
async def test_three_workers_use_the_whole_quota(limited: Stack) -> None:
    """95 % and more of it, none refused. It needs a machine that has time for 10 calls a second."""
    tenant = await Tenant.make(limited)
    await pile_up(tenant, accounts=120, customers=25)
    # No steady state: the first worker that is up begins alone, the others' joining interrupts it, and until a worker
    # knows how fast a vendor answers, the whole time of each call counts as a place taken.
    await called(tenant, 10 * TOGAI_A_SECOND, since=time.time())
    started = (await calls_to_togai(tenant))[-1]["at"]
    calls = sorted(await called(tenant, MEASURED + 1, since=started), key=lambda call: call["at"])[: MEASURED + 1]
    # From one call to another, since they come in bursts: a fixed stretch of time would count one burst more or less.
    took = calls[-1]["at"] - calls[0]["at"]

    assert refused(await calls_to_togai(tenant)) == []
    assert MEASURED / took >= 0.95 * TOGAI_A_SECOND


@pytest.mark.long("the gate has the order of calls in unit/shared/ratelimit/test_queues.py")
async def test_started_work_ends_before_more_is_started(limited: Stack) -> None:
    """Accounts that were read first are linked first: a worker that dies leaves much done and little half done."""
    tenant = await Tenant.make(limited)
    await pile_up(tenant, accounts=90, customers=0)
    calls = await called(tenant, 15 * TOGAI_A_SECOND)
    read, linked, most = set[str](), 0, 0
    for call in sorted(calls, key=lambda call: call["at"]):
        if call["operation"] == "accounts.retrieve":
            read.add(call["path"])
        elif call["operation"] == "settings.create":
            linked += 1
        most = max(most, len(read) - linked)

    assert linked >= 25
    assert most <= 30


async def on_fallback(tenant: Tenant) -> set[str]:
    """The workers that go on by their small shares."""
    account, stack = f"togai:test:{tenant.togai_org}", tenant.stack
    return {name for name in stack.workers if account in (await facts(stack, name, "/readyz"))["fallback"]}


async def killed_and_back(tenant: Tenant) -> tuple[list[dict[str, Any]], list[float]]:
    """The allocator dies in the middle of the work, and is started again. The calls without it, and when those were
    made that came after.
    """
    stack = tenant.stack
    await pile_up(tenant, accounts=100, customers=10)
    await called(tenant, 3 * TOGAI_A_SECOND)
    await stack.children["ingress"].kill()
    died = (await calls_to_togai(tenant))[-1]["at"]
    await until(partial(on_fallback, tenant), "a worker on its fallback share")
    by_share = await called(tenant, 4, since=died + 3)
    stack.launch("ingress")
    await stack.ready("ingress")

    async def leases() -> bool:
        return bool((await facts(stack, "ingress", "/limits"))["leader"])

    await until(leases, "the allocator back", patience=15)
    back = (await calls_to_togai(tenant))[-1]["at"]
    return by_share, [call["at"] for call in await called(tenant, 8 * TOGAI_A_SECOND, since=back)]


@pytest.mark.long("the gate has the same law on a clock that jumps: unit/shared/ratelimit/test_laws.py")
async def test_workers_go_on_when_the_allocator_is_killed(limited: Stack) -> None:
    """By their small shares; and by leases again when the ingress is back. None is refused on the way."""
    tenant = await Tenant.make(limited)
    by_share, _ = await killed_and_back(tenant)

    assert by_share
    assert await on_fallback(tenant) == set()
    assert refused(await calls_to_togai(tenant)) == []


@pytest.mark.long("the gate sees that nobody is left on a small share; the pace is held in unit/shared/ratelimit")
async def test_the_whole_quota_is_used_when_the_allocator_is_back(limited: Stack) -> None:
    """95 % and more of it in some five seconds. It needs a machine that has time for 10 calls a second."""
    _, calls = await killed_and_back(await Tenant.make(limited))

    assert max(sum(1 for at in calls if started <= at < started + 5) for started in calls) >= 0.95 * 5 * TOGAI_A_SECOND


@pytest.mark.long("the gate has the same law on a clock that jumps: unit/shared/ratelimit/test_laws.py")
async def test_a_429_with_retry_after_silences_all_workers(limited: Stack) -> None:
    """One call of one worker is refused for three seconds: once the allocator knows, nobody calls in these, and then
    all do again.
    """
    tenant = await Tenant.make(limited)
    await pile_up(tenant, accounts=70, customers=0)
    await called(tenant, 2 * TOGAI_A_SECOND)
    await tenant.fault("togai", "rate_limited", {}, times=1, retry_after=3)

    async def reported() -> bool:
        account = f"togai:test:{tenant.togai_org}"
        return bool((await facts(limited, "ingress", "/limits"))["accounts"].get(account, {}).get("back_off"))

    at = await refused_by_fault(tenant)
    await until(reported, "the silence that the allocator asks for")
    # A lease that was leased before is good for so long.
    started = time.time() + HORIZON
    calls = await called(tenant, 10, since=at + 3)
    early = [call["began"] - at for call in await calls_to_togai(tenant) if started < call["began"] < at + 2.9]

    assert started < at + 2
    assert early == []
    assert len(calls) >= 10


@pytest.mark.long("the gate has the same law on a clock that jumps: unit/shared/ratelimit/test_laws.py")
async def test_a_429_silences_all_workers_without_an_allocator(limited: Stack) -> None:
    """They go on by their small shares, and the one that was refused tells the others."""
    tenant = await Tenant.make(limited)
    await pile_up(tenant, accounts=70, customers=0)
    await called(tenant, TOGAI_A_SECOND)
    await limited.children["ingress"].kill()
    died = time.time()
    await called(tenant, 6, since=died + 4)
    await tenant.fault("togai", "rate_limited", {}, times=1, retry_after=8)
    at = await refused_by_fault(tenant)
    await called(tenant, 4, since=at + 8)
    calls = [call["began"] - at for call in await calls_to_togai(tenant)]

    assert [began for began in calls if 1 < began < 7.9] == []
