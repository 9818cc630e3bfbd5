"""Death of any process at any moment: exactly one object on each side, and every run ended.

Deaths between any two steps of one event: tests/integration/customers/test_interrupted.py and tests/reliability/sweep.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.group import LeaveGroupRequest
from console.http import own_machine
from shared.events.topics import Topics
from shared.kafka.log import client_options

from tests.stack.broker import own_broker
from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant


@pytest.fixture(scope="module")
def killable(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with three workers, to be killed."""
    stack = asyncio.run(Stack.start(tmp_path_factory.mktemp("killable"), kafka_bootstrap, workers=3))
    yield stack
    asyncio.run(stack.stop())


@pytest.fixture
async def three(killable: Stack) -> Stack:
    """The same, whole again after the test before."""
    await revive(killable)
    return killable


@pytest.fixture(scope="module")
def lonely(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with one worker and patient calls: nobody else resumes what it leaves."""
    home = tmp_path_factory.mktemp("lonely")
    stack = asyncio.run(Stack.start(home, kafka_bootstrap, workers=1, TANDEM_CALL_TIMEOUT="30"))
    yield stack
    asyncio.run(stack.stop())


async def revive(stack: Stack) -> None:
    """Start every worker that is dead, and wait until all own partitions."""
    for name in stack.workers:
        if not stack.children[name].alive:
            stack.launch_worker(int(name.rpartition("-")[2]))
    await stack.workers_ready()


async def one_each(tenant: Tenant, accounts: list[str], customers: list[str]) -> None:
    """Wait until all are linked, then hold: one counterpart each, ids on both sides, every run ended."""
    await taken(tenant, accounts)
    for account in accounts:
        await tenant.mapping(account)
        await tenant.run(account, "succeeded")
    for customer in customers:
        await tenant.mapping(customer)
        await tenant.run(customer, "succeeded", event_type="customer.created")
    for entity in (*accounts, *customers):
        await tenant.settled(entity)
    at_stripe, at_togai = await tenant.stripe_customers(), await tenant.togai_state()
    pairs = {c["metadata"]["togai_account_id"]: c["id"] for c in at_stripe}
    settings = {s["entityId"]: s["value"] for s in at_togai["settings"] if s["id"] == "StripeCustomerId"}

    assert len(at_stripe) == len(at_togai["accounts"]) == len(accounts) + len(customers)
    assert pairs == settings
    assert set(pairs) == {*accounts, *(f"acc_{customer}" for customer in customers)}


async def first_mappings(tenant: Tenant) -> None:
    """Wait until the tenant's first pairs are linked."""

    async def some() -> bool:
        linked = [item for item in await tenant.mappings() if item["state"] == "linked"]
        return bool(len(linked) >= 5)

    await until(some, "the first mappings")


async def taken(tenant: Tenant, accounts: list[str]) -> None:
    """Wait until Togai's webhooks have been taken: it sends each once only."""

    async def delivered() -> bool:
        found = await tenant.stack.control("GET", "/deliveries", params={"account": tenant.togai_org})
        # Not those of the accounts that Tandem made: an echo that is lost is no loss.
        states = {d["object"]: d["state"] for d in found["deliveries"] if d["object"] in accounts}
        assert "failed" not in states.values(), f"Togai's only attempt was not taken: {states}"
        return len(states) == len(accounts) and set(states.values()) <= {"delivered"}

    await until(delivered, "deliveries of Togai")


async def make_many(tenant: Tenant, number: int) -> tuple[list[str], list[str]]:
    accounts = [await tenant.new_account(f"a{n}") for n in range(number)]
    customers = [await tenant.new_customer(f"Customer {n}", f"{n}@x.test") for n in range(number)]
    return accounts, customers


FAULTS = pytest.mark.long("the gate kills and stops each process in tests/reliability/test_reliability.py")


@FAULTS
async def test_one_of_three_workers_is_killed(three: Stack) -> None:
    """The others take its partitions over; what it had begun is finished, not repeated."""
    tenant = await Tenant.make(three)
    await tenant.fault("stripe", "slow", {"operation": "customers.create"}, seconds=0.3)
    making = asyncio.create_task(make_many(tenant, 30))

    await first_mappings(tenant)
    await three.children["worker-2"].kill()
    accounts, customers = await making

    await one_each(tenant, accounts, customers)


@FAULTS
async def test_a_worker_is_stopped_in_the_middle(three: Stack) -> None:
    """SIGTERM: it drains, and the others go on."""
    tenant = await Tenant.make(three)
    await tenant.fault("stripe", "slow", {"operation": "customers.create"}, seconds=0.3)
    making = asyncio.create_task(make_many(tenant, 20))

    await first_mappings(tenant)
    await three.children["worker-1"].stop(15)
    accounts, customers = await making

    await one_each(tenant, accounts, customers)


async def test_a_worker_that_stood_still_too_long_starts_again(three: Stack) -> None:
    """SIGSTOP past the session time-out: another has its partitions by then, so it must send nothing."""
    tenant = await Tenant.make(three)
    await tenant.fault("stripe", "slow", {"operation": "customers.create"}, seconds=0.3)
    worker = three.children["worker-3"]
    making = asyncio.create_task(make_many(tenant, 15))
    await asyncio.sleep(1)
    worker.send(signal.SIGSTOP)
    await asyncio.sleep(8)
    worker.send(signal.SIGCONT)
    accounts, customers = await making

    async def gone() -> bool:
        return not worker.alive

    await until(gone, "the worker stopped itself")
    assert any("stood still" in line for line in worker.last_lines)
    await revive(three)
    await one_each(tenant, accounts, customers)


async def evicted(stack: Stack) -> None:
    """Take every member out of the workers' group, as the broker does whose heartbeats do not come."""
    settings = stack.settings()
    client = AIOKafkaAdminClient(**client_options(settings))
    await client.start()
    try:
        group = Topics(settings).group("customer-sync")
        (described,) = await client.describe_consumer_groups([group])
        node = await client.find_coordinator(group)
        for member in described.groups[0][5]:
            await client._send_request(LeaveGroupRequest(group, member[0]), node)
    finally:
        await client.close()


async def test_a_worker_that_its_group_evicted_finishes_nothing(lonely: Stack) -> None:
    """Others have its partitions already when it notices: it starts again at once instead of going on."""
    await revive(lonely)
    tenant = await Tenant.make(lonely)
    await tenant.fault("stripe", "slow", {"operation": "customers.create"}, seconds=6)
    worker = lonely.children["worker-1"]
    account = await tenant.new_account("acme")
    await tenant.mapping(account, "claimed")
    await evicted(lonely)

    async def gone() -> bool:
        return not worker.alive

    await until(gone, "the worker stopped itself")
    assert any("put out of its group" in line for line in worker.last_lines)
    await revive(lonely)
    await one_each(tenant, [account], [])


SWEPT = pytest.mark.long("the gate kills one claimant, and dies before and after each call in tests/reliability/sweep")


@pytest.mark.parametrize(
    ("app", "operation", "kind"),
    [
        ("stripe", "customers.create", "hang_after"),
        pytest.param("stripe", "customers.create", "hang_before", marks=SWEPT),
        pytest.param("togai", "customers.create", "hang_after", marks=SWEPT),
        pytest.param("togai", "customers.create", "hang_before", marks=SWEPT),
    ],
)
async def test_the_claimant_is_killed(lonely: Stack, app: str, operation: str, kind: str) -> None:
    """Between claim and call, or between call and mapping: whoever gets the event again resumes the claim."""
    await revive(lonely)
    tenant = await Tenant.make(lonely)
    await tenant.fault(app, kind, {"operation": operation}, times=1, seconds=8)
    entity = await (tenant.new_account("acme") if app == "stripe" else tenant.new_customer())
    await tenant.mapping(entity, "claimed")
    await lonely.children["worker-1"].kill()
    await revive(lonely)

    await one_each(tenant, *(([entity], []) if app == "stripe" else ([], [entity])))


@pytest.mark.parametrize(("app", "operation"), [("stripe", "customers.create"), ("togai", "customers.create")])
async def test_the_echo_is_handled_by_another_before_our_mapping_is_written(
    three: Stack, app: str, operation: str
) -> None:
    """The webhook of our own create arrives while we still wait for its answer: it starts nothing back."""
    tenant = await Tenant.make(three)
    await tenant.fault(app, "hang_after", {"operation": operation}, seconds=1.5)
    if app == "stripe":
        accounts, customers = [await tenant.new_account(f"a{n}") for n in range(6)], []
    else:
        accounts, customers = [], [await tenant.new_customer(f"C{n}", f"{n}@x.test") for n in range(6)]

    await one_each(tenant, accounts, customers)
    runs = await tenant.runs("")

    echoes = [r for r in runs if r["state"] == "skipped" and "echo" in r["reason"]]
    assert len(echoes) == 6
    assert all("is making this pair" in r["reason"] for r in echoes)


@pytest.mark.long("the gate kills the broker in the fault run, in ingress/test_kafka_away and in runtime/test_replica")
async def test_the_broker_is_killed_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Webhooks get 503 and come again; workers wait; nothing is lost or doubled."""
    async with own_broker(tmp_path / "kafka-home") as broker:
        stack = await Stack.start(tmp_path / "stack", broker.bootstrap, workers=2, TANDEM_APPEND_TIMEOUT="1")
        try:
            tenant = await Tenant.make(stack)
            first = await make_many(tenant, 3)
            await taken(tenant, first[0])
            await broker.kill()
            customers = [await tenant.new_customer(f"During {n}", f"d{n}@x.test") for n in range(3)]
            async with own_machine(timeout=10) as http:
                answer = await http.post(tenant.togai_hook(f"con_t{tenant.name}"), content=b"{}")
            assert answer.status_code == 503
            await broker.start()

            await one_each(tenant, first[0], [*first[1], *customers])
        finally:
            await stack.stop()


@FAULTS
async def test_everything_is_killed_and_started_again(three: Stack) -> None:
    """Ingress, console and all workers at once; Stripe sends again what was not taken."""
    tenant = await Tenant.make(three)
    accounts = [await tenant.new_account(f"a{n}") for n in range(5)]
    await taken(tenant, accounts)
    for name in ("ingress", "console", *three.workers):
        await three.children[name].kill()
    customers = [await tenant.new_customer(f"C{n}", f"{n}@x.test") for n in range(5)]
    for name in ("ingress", "console"):
        three.launch(name)
    for number in (1, 2, 3):
        three.launch_worker(number)
    await three.ready("console")

    await one_each(tenant, accounts, customers)
