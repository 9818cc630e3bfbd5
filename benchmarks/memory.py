"""Memory of every process at rest and under load, for an hour: growth would show.

    .venv/bin/python -m benchmarks.memory [--minutes 60] [--keep]

A whole Tandem with the sandbox in place of the vendors, without quotas. Its pairs are changed all the time, twelve
a second, on the side that owns their fields: what is there does not become more, so neither should the memory. Resident
memory as the operating system tells it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
from console.local.ports import free_port

from benchmarks.tables import arguments, keep_text
from tests.engines.access import own_kafka
from tests.stack.processes import Stack, until
from tests.stack.tenants import Tenant

PAIRS = 1000
PER_SECOND = 12.0
SETTLED_AFTER = 60.0
"""Seconds from the last pair to the measurement at rest."""
MARKS = (0.0, 1 / 6, 0.5, 1.0)
"""When is looked, as shares of the whole: at rest, and at 10, 30 and 60 minutes of an hour."""


def resident(pids: Mapping[str, int]) -> dict[str, float]:
    """Megabytes by process."""
    return {name: psutil.Process(pid).memory_info().rss / 1e6 for name, pid in pids.items()}


async def pairs(tenant: Tenant) -> list[tuple[str, str]]:
    """The account and the customer of each pair, half of them born on each side."""
    for n in range(PAIRS // 2):
        await asyncio.gather(tenant.new_account(f"m{n}"), tenant.new_customer(f"M {n}", f"m{n}@bench.test"))

    async def linked() -> list[tuple[str, str]] | None:
        customers = await tenant.stripe_customers()
        found = [(str(c["metadata"].get("togai_account_id", "")), str(c["id"])) for c in customers]
        return found if len(found) == PAIRS and all(account for account, _ in found) else None

    return list(await until(linked, "every pair", 300, every=2))


async def load(tenant: Tenant, changed: list[tuple[str, str]], end: float) -> int:
    """Change one pair after the other on the side that owns its fields, at an even pace. Returns how many."""
    number, begin = 0, time.monotonic()
    while time.monotonic() < end:
        account, customer = changed[number % len(changed)]
        if account.startswith("acc_"):
            await tenant.stripe("POST", f"/v1/customers/{customer}", data={"phone": f"+1{number}"})
        else:
            await tenant.togai("PATCH", f"/accounts/{account}", json={"primaryEmail": f"n{number}@bench.test"})
        number += 1
        await asyncio.sleep(max(0.0, begin + number / PER_SECOND - time.monotonic()))
    return number


async def measure(minutes: float) -> str:
    """The table, as text."""
    with tempfile.TemporaryDirectory() as folder:
        broker = own_kafka(Path(folder), free_port(in_a_row=2))
        await broker.start()
        stack = await Stack.start(Path(folder) / "stack", broker.bootstrap, workers=1, TANDEM_DELAY_SCALE="1")
        try:
            tenant = await Tenant.make(stack)
            changed = await pairs(tenant)
            await asyncio.sleep(SETTLED_AFTER)
            assert broker.pid
            pids = {"kafka": broker.pid} | {name: child.pid for name, child in stack.children.items()}
            begin, found = time.monotonic(), [resident(pids)]
            loading = asyncio.create_task(load(tenant, changed, begin + minutes * 60))
            for mark in MARKS[1:]:
                await asyncio.sleep(max(0.0, begin + mark * minutes * 60 - time.monotonic()))
                found.append(resident(pids))
            made = await loading
        finally:
            await stack.stop()
            await broker.stop()
    return table(found, minutes) + f"\n\n{made:,} changes of {PAIRS:,} pairs in {minutes:g} minutes."


def table(found: list[dict[str, float]], minutes: float) -> str:
    """Megabytes by process and time."""
    times = ["at rest", *(f"{mark * minutes:g} min" for mark in MARKS[1:])]
    lines = [["process", *times], ["---", *["---:"] * len(times)]]
    lines += [[name, *(f"{row[name]:.0f} MB" for row in found)] for name in sorted(found[0])]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = arguments(str(__doc__), runs=1)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long there is load (default 60)")
    given = parser.parse_args()
    keep_text("memory", asyncio.run(measure(given.minutes)), keep=given.keep)


if __name__ == "__main__":
    main()
