"""Three real workers: each owns the same partition numbers of all topics, and nobody writes a secret anywhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest
from console.http import own_machine
from shared.connections import Vault, connection_decoder, encryption_keys
from shared.domains import nouns
from shared.events.topics import Topics

from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant
from tests.stack.topics import records

PARTITIONS = 6
ASSIGNED = re.compile(r"assignment\s.*?numbers=(\[[\d, ]*\])")


@pytest.fixture(scope="module")
def three(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with three workers."""
    extra = {"TANDEM_TOPIC_PARTITIONS": str(PARTITIONS)}
    running = asyncio.run(Stack.start(tmp_path_factory.mktemp("three"), kafka_bootstrap, workers=3, **extra))
    yield running
    asyncio.run(running.stop())


def numbers(stack: Stack, worker: str) -> set[int]:
    """Partition numbers of a worker's newest assignment, by its own log."""
    found = ASSIGNED.findall(stack.children[worker].log.read_text())
    return {int(number) for number in re.findall(r"\d+", found[-1])} if found else set()


async def settled(stack: Stack, workers: list[str]) -> list[set[int]]:
    """Wait until these workers share all partition numbers among them, each of all topics."""
    inputs = Topics(stack.settings()).inputs(nouns()[0])

    async def shared() -> list[set[int]] | None:
        async with own_machine(timeout=5) as http:
            facts = [(await http.get(stack.url(name, "/readyz"))).json() for name in workers]
        owned = [numbers(stack, name) for name in workers]
        whole = sum(len(one) for one in owned) == PARTITIONS and set().union(*owned) == set(range(PARTITIONS))
        # As many partitions as numbers times topics: the same numbers of every one.
        fits = [fact["assigned"] for fact in facts] == [len(one) * len(inputs) for one in owned]
        return owned if whole and fits and all(fact["ready"] for fact in facts) else None

    return list(await until(shared, f"{workers} share {PARTITIONS} partition numbers"))


async def test_three_workers_share_the_numbers_and_take_over(three: Stack) -> None:
    """Two numbers each, of the live, replay and delay topics alike; when one leaves, the others have all."""
    owned = await settled(three, three.workers)
    assert [len(one) for one in owned] == [2, 2, 2]

    await three.children["worker-2"].stop(15)
    left = await settled(three, ["worker-1", "worker-3"])
    assert sorted(len(one) for one in left) == [3, 3]

    three.launch_worker(2)
    await three.ready("worker-2")
    assert len(await settled(three, three.workers)) == 3
    logs = "\n".join(three.children[name].log.read_text() for name in three.workers)
    assert "not_co_partitioned" not in logs


async def test_no_secret_is_in_a_topic_or_in_a_log(three: Stack) -> None:
    """After runs that succeeded, failed, were refused, and closed a connection by its wrong key."""
    tenant = await Tenant.make(three)
    await tenant.new_account("good")
    await tenant.fault("stripe", "error_after", {"operation": "customers.create"}, times=1)
    await tenant.new_account("retried")
    await tenant.mapping("good")
    await tenant.mapping("retried")
    customer = await tenant.new_customer()
    await tenant.mapping(customer)
    wrong, connection = f"togai_wrong_{tenant.name}", f"con_t{tenant.name}"
    await tenant.connect_togai(connection, tenant.togai_token, key=wrong)
    await tenant.new_account("closing")
    assert (await tenant.run("closing", "parked"))["problem"]["code"] == "connection_closed"
    async with own_machine(timeout=5) as http:
        await http.post(tenant.togai_hook(connection) + "x", content=b"{}")

    settings = three.settings()
    topics = [topic.name for topic in Topics(settings).all(nouns())]
    everything = await records(settings, *topics)
    vault = Vault(encryption_keys(settings))
    connections = [connection_decoder.decode(r.value) for r in everything if r.topic == Topics(settings).connections]
    opened = [vault.open(connection) for connection in connections if connection.sealed]
    secrets = {wrong, tenant.stripe_key, tenant.togai_token, tenant.togai_hook_token, *encryption_keys(settings)}
    secrets |= {value for one in opened for value in (one.api_key, *one.webhook_secrets, one.webhook_token) if value}
    reported = [(r.topic, b" ".join([r.key or b"", r.value or b"", *(v for _, v in r.headers)])) for r in everything]
    reported += [(name, child.log.read_bytes()) for name, child in three.children.items() if name != "sandbox"]

    assert len(secrets) >= 6
    assert {topic for topic, _ in reported} > {Topics(settings).mappings, Topics(settings).runs, "ingress", "worker-1"}
    assert [(where, secret) for where, text in reported for secret in secrets if secret.encode() in text] == []
