"""Memory of every process at rest and under load, for an hour: growth would show.

    .venv/bin/python -m benchmarks.memory [--minutes 60] [--keep]

A whole Tandem with the sandbox in place of the vendors, without quotas; ten accounts a second are made in Togai all the
time. Resident memory as the operating system tells it.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import psutil
from console.local.kafka import EmbeddedKafka
from console.local.ports import free_port

from benchmarks.tables import arguments, keep_text
from tests.stack.processes import Stack
from tests.stack.tenants import Tenant

PER_SECOND = 10.0
MARKS = (0.0, 1 / 6, 0.5, 1.0)
"""When is looked, as shares of the whole: at rest, and at 10, 30 and 60 minutes of an hour."""


def resident(pids: Mapping[str, int]) -> dict[str, float]:
    """Megabytes by process."""
    return {name: psutil.Process(pid).memory_info().rss / 1e6 for name, pid in pids.items()}


async def load(tenant: Tenant, until: float) -> int:
    """Make accounts at an even pace. Returns how many."""
    number, begin, run = 0, time.monotonic(), secrets.token_hex(3)
    headers = {"Authorization": f"Bearer {tenant.togai_token}"}
    async with httpx.AsyncClient(base_url=tenant.stack.url("sandbox", "/togai"), headers=headers, timeout=30) as http:
        while time.monotonic() < until:
            name = f"m-{run}-{number}"
            account = {"id": name, "name": f"Account {name}", "invoiceCurrency": "USD"}
            body = {"id": f"c-{name}", "name": f"Customer {name}", "primaryEmail": f"{name}@bench.test"}
            answer = await http.post("/customers", json=body | {"address": {"country": "US"}, "account": account})
            answer.raise_for_status()
            number += 1
            await asyncio.sleep(max(0.0, begin + number / PER_SECOND - time.monotonic()))
    return number


async def measure(minutes: float) -> str:
    """The table, as text."""
    with tempfile.TemporaryDirectory() as folder:
        broker = EmbeddedKafka(Path(folder), free_port(in_a_row=2))
        await broker.start()
        stack = await Stack.start(Path(folder) / "stack", broker.bootstrap, workers=1, TANDEM_DELAY_SCALE="1")
        try:
            tenant = await Tenant.make(stack)
            assert broker.pid
            pids = {"kafka": broker.pid} | {name: child.pid for name, child in stack.children.items()}
            begin, found = time.monotonic(), [resident(pids)]
            loading = asyncio.create_task(load(tenant, begin + minutes * 60))
            for mark in MARKS[1:]:
                await asyncio.sleep(max(0.0, begin + mark * minutes * 60 - time.monotonic()))
                found.append(resident(pids))
            made = await loading
        finally:
            await stack.stop()
            await broker.stop()
    return table(found, minutes) + f"\n\n{made:,} accounts in {minutes:g} minutes, {PER_SECOND:g} a second at most."


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
