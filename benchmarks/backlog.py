"""What live events feel of an import of 100,000 customers: while it is listed, and while its events wait.

    .venv/bin/python -m benchmarks.backlog [--customers 100000] [--seconds 600] [--faster 1] [--keep]

Live events are those of `benchmarks.importing`, the quotas those of the vendors in test mode, or so many times them.
All of the import would take hours; what is left after the first minutes goes on in the same way with a shorter backlog.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from console.local.ports import free_port

from benchmarks.as_granted import PATIENT, TEST_MODE, at
from benchmarks.importing import IDLE_EVENTS, LONGEST, Live, asked_for, before_tandem, started
from benchmarks.latency import percentile
from benchmarks.tables import Figure, show
from tests.engines.access import own_kafka
from tests.stack.processes import until
from tests.stack.tenants import Tenant


@dataclass(frozen=True)
class Beside:
    """Live events' milliseconds, by when each was made, and how far the import was after so many seconds."""

    idle: list[float]
    while_listed: list[float]
    later: list[float]
    listing: float
    linked: int


async def import_beside_live_events(tenant: Tenant, seconds: float) -> Beside:
    """Live events alone, and then for so many seconds beside the import."""
    stack, alone, busy = tenant.stack, Live(tenant), Live(tenant)
    await alone.go_on(IDLE_EVENTS)
    idle = await alone.milliseconds()
    began = time.time()
    asked = await asked_for(tenant)
    running = asyncio.create_task(busy.go_on())

    async def listed() -> bool:
        return (await stack.api(f"/imports/{asked}"))["state"] in ("working", "done")

    await until(listed, "the list", LONGEST, every=1)
    listing = time.time() - began
    await asyncio.sleep(max(0.0, began + seconds - time.time()))
    running.cancel()
    found = await stack.api(f"/imports/{asked}")
    during = list(zip(await busy.milliseconds(), busy.made.values(), strict=True))
    while_listed = [took for took, at in during if at - began < listing]
    later = [took for took, at in during if at - began >= listing]
    return Beside(idle, while_listed, later, listing, int(found["linked"]))


async def measured(count: int, seconds: float, faster: int) -> Beside:
    """Everything up, measured and gone."""
    quotas = at({app: quota * faster for app, quota in TEST_MODE.items()})
    quotas["TANDEM_STRIPE_OPERATION_QUOTA"] = quotas["TANDEM_STRIPE_QUOTA"]
    with tempfile.TemporaryDirectory() as name:
        broker = own_kafka(Path(name), free_port(in_a_row=2))
        await broker.start()
        stack = await started(Path(name) / "home", broker.bootstrap, 1, **quotas, **PATIENT)
        try:
            [tenant] = await before_tandem(stack, count, index_within=LONGEST)
            return await import_beside_live_events(tenant, seconds)
        finally:
            await stack.stop()
            await broker.stop()


def figures(count: int, seconds: float, found: Beside) -> list[Figure]:
    """Every figure. Whatever is live during the import is held against the idle p99."""
    idle, during = percentile(found.idle, 0.99), found.while_listed + found.later
    return [
        Figure(f"an import of {count:,} is listed after", [found.listing], "s"),
        Figure(f"linked after {seconds:.0f} s", [found.linked], "customers"),
        Figure("live, idle, p50", [percentile(found.idle, 0.5)], "ms"),
        Figure("live, idle, p99", [idle], "ms"),
        Figure("live, while it is listed, p50", [percentile(found.while_listed, 0.5)], "ms"),
        Figure("live, while it is listed, longest", [max(found.while_listed)], "ms"),
        Figure("live, after that, p50", [percentile(found.later, 0.5)], "ms"),
        Figure("live, after that, p99", [percentile(found.later, 0.99)], "ms"),
        Figure("live, all of it, p99 / idle", [percentile(during, 0.99) / idle], "", "at most 2"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__))
    parser.add_argument("--keep", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--customers", type=int, default=100_000, help="how many are imported (default 100,000)")
    parser.add_argument("--seconds", type=float, default=600, help="how long live events come (default 600)")
    parser.add_argument("--faster", type=int, default=1, help="times the vendors' quotas (default 1)")
    given = parser.parse_args()
    found = asyncio.run(measured(given.customers, given.seconds, given.faster))
    show("backlog", figures(given.customers, given.seconds, found), keep=given.keep, runs=1)


if __name__ == "__main__":
    main()
