"""How fast a worker reads 100,000 mappings back, and what one of them costs in memory.

    .venv/bin/python -m benchmarks.replica [--runs 5] [--keep]

Each run is a new process, as after a restart: the topic is read from its beginning by the worker's own replica into its
own index. The memory is what the process grew by, divided by the mappings. It has read an empty topic before: what the
Kafka client loads and keeps once is no mapping's.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import tempfile
import time
from pathlib import Path

import psutil
from aiokafka import AIOKafkaProducer
from console.local.ports import free_port
from shared.events.topics import Topics
from shared.identity import link_id, run_id
from shared.kafka.log import client_options
from shared.kafka.replica import Replica
from shared.linking.mappings import Mapping, encode
from shared.runtime.admin import ensure_topics
from shared.runtime.registry import Registry
from shared.settings import Settings

from benchmarks.tables import Figure, arguments, show
from tests.engines.access import fields, own_kafka

MAPPINGS = 100_000
EMPTY = "empty."
"""Prefix of topics in which nothing stands."""
STRIPE, TOGAI = "stripe:test:acct_1MqTfeLkdIwHu7ix", "togai:test:org_7hf2k1"


def mapping(number: int) -> Mapping:
    """A pair as real ones are: half of them born at each side."""
    customer = f"{STRIPE}/customer/cus_{number:014d}"
    account = f"{TOGAI}/account/acc_cus_{number:014d}" if number % 2 else f"{TOGAI}/account/account-{number}"
    source, target = (customer, account) if number % 2 else (account, customer)
    parent = f"{TOGAI}/customer/cus_{number:014d}" if number % 2 else f"{TOGAI}/customer/customer-{number}"
    match = f"{TOGAI}|{STRIPE}|billing-{number}@customer-{number}.example"
    fields = {
        "id": link_id(source, "customer", target.partition("/")[0]),
        "relation": "customer",
        "source": source,
        "target": target,
        "also": [parent],
        "rule": "created",
    }
    run = run_id("link_togai-account-to-stripe-customer", TOGAI, f"tgi_{number}", f"customer.events/0/{number}")
    return Mapping(**fields, state="linked", at="2026-11-25T10:00:00.000Z", run=run, match=match)  # type: ignore[arg-type]


def settings_of(bootstrap: str, prefix: str = "") -> Settings:
    return Settings(_env_file=None, **fields(bootstrap), allow_fewer_replicas=True, topic_prefix=prefix)


async def fill(bootstrap: str) -> None:
    """Write the topic."""
    settings = settings_of(bootstrap)
    await ensure_topics(settings)
    await ensure_topics(settings_of(bootstrap, EMPTY))
    topic = Topics(settings).mappings
    async with AIOKafkaProducer(**client_options(settings), linger_ms=50) as producer:
        for start in range(0, MAPPINGS, 5000):
            some = [mapping(number) for number in range(start, start + 5000)]
            await asyncio.gather(*[await producer.send(topic, encode(m), key=m.id.encode()) for m in some])


async def recover(bootstrap: str) -> dict[str, float]:
    """Read it back, in this process."""
    process = psutil.Process()
    assert len((await read(settings_of(bootstrap, EMPTY))).mappings) == 0
    gc.collect()
    before, began = process.memory_info().rss, time.perf_counter()
    registry = await read(settings_of(bootstrap))
    seconds = time.perf_counter() - began
    assert len(registry.mappings) == MAPPINGS
    gc.collect()
    grown = process.memory_info().rss - before
    return {"per_second": MAPPINGS / seconds, "bytes": grown / MAPPINGS}


async def read(settings: Settings) -> Registry:
    """All mappings that stand in the topic, as a worker reads them when it starts."""
    topics, registry = Topics(settings), Registry()
    async with Replica(settings, {topics.mappings: registry.folds(topics)[topics.mappings]}) as replica:
        await replica.wait_ready()
    return registry


async def measure(runs: int) -> list[Figure]:
    """Every figure."""
    with tempfile.TemporaryDirectory() as name:
        broker = own_kafka(Path(name), free_port(in_a_row=2))
        await broker.start()
        try:
            await fill(broker.bootstrap)
            found = [await _apart(broker.bootstrap) for _ in range(runs)]
        finally:
            await broker.stop()
    return [
        Figure("mappings read back", [run["per_second"] for run in found], "mappings/s", "100,000"),
        Figure("memory of a mapping", [run["bytes"] for run in found], "bytes", "at most 300"),
    ]


async def _apart(bootstrap: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.replica", "--recover", bootstrap]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def main() -> None:
    parser = arguments(str(__doc__), runs=5)
    parser.add_argument("--recover", metavar="BOOTSTRAP", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.recover:
        print(json.dumps(asyncio.run(recover(given.recover))))
    else:
        show("replica", asyncio.run(measure(given.runs)), keep=given.keep, runs=given.runs)


if __name__ == "__main__":
    main()
