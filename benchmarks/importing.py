"""How long the import of a Stripe account takes against its quotas, and what live events feel of it.

    .venv/bin/python -m benchmarks.importing [--customers 10000] [--beside 6000] [--scaling 2000] [--keep]

The sandbox's customers were there days before Tandem: what is of the last minutes comes as events, too. The vendors'
quotas of test mode are scaled three times faster: 75 calls a second at Stripe, as many of each operation, and 30 at
Togai. The floor is what the calls take at these quotas. Then a second account is imported, beside which each second a
new Togai account comes in by webhook, as it did alone before: its time is from the vendor's own change to the run's
end. At the end an import with one, two and four workers, without quotas. All of it shares the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.http import own_machine
from console.local.ports import free_port
from sandbox.store import Store
from shared.domains import BUILT_IN
from shared.events.topics import Topics
from shared.flows.runs import decode_run

from benchmarks.as_granted import PATIENT, at
from benchmarks.latency import epoch, percentile
from benchmarks.tables import Figure, show
from tests.engines.access import own_kafka
from tests.stack.processes import PATIENCE, Stack, until
from tests.stack.tenants import TO_STRIPE, TO_TOGAI, Tenant
from tests.stack.topics import records

QUOTAS = {"stripe": 75, "togai": 30}
OF_OPERATIONS = {"TANDEM_STRIPE_OPERATION_QUOTA": "75"}
IDLE_EVENTS = 300
"""Of a hundred, p99 is one event: between 123 and 211 ms in five runs."""
DAYS_BEFORE = 3 * 86400
"""Seconds between the customers' making and Tandem: pollers read on from before a connection, and two days again."""
AT_ONCE = 8
LONGEST = 7200.0
"""Seconds that an import may take."""


@dataclass
class Import:
    """One import: its seconds, the calls that each vendor got, and what the console says of it."""

    seconds: float
    calls: dict[str, int]
    counts: dict[str, Any]

    @property
    def linked(self) -> int:
        """Customers that the import linked. Those of live events are counted as linked already."""
        return int(self.counts["linked"])

    @property
    def floor(self) -> float:
        """The least seconds that so many calls take."""
        return max(self.calls[app] / quota for app, quota in QUOTAS.items())


async def customers_of(stack: Stack, key: str, count: int) -> None:
    """Make customers at Stripe."""
    left = iter(range(count))
    headers = {"Authorization": f"Bearer {key}"}
    async with own_machine(base_url=stack.url("sandbox", "/stripe"), timeout=60, headers=headers) as http:

        async def make() -> None:
            for number in left:
                data = {"name": f"Customer {number}", "email": f"c{number}@bench.example", "address[country]": "US"}
                (await http.post("/v1/customers", data=data)).raise_for_status()

        await asyncio.gather(*(make() for _ in range(AT_ONCE)))


async def started(home: Path, bootstrap: str, workers: int, **extra: str) -> Stack:
    """Everything up, the vendors' clock days behind."""
    store = Store(home / "sandbox")
    store.set_fact("clock", {"advance": -DAYS_BEFORE})
    store.close()
    return await Stack.start(home, bootstrap, workers=workers, **extra)


async def before_tandem(stack: Stack, *counts: int, index_within: float = PATIENCE) -> list[Tenant]:
    """Stripe accounts with so many customers, then connected, with both flows on, in the vendors' present."""
    tenants = [await _account(stack, count) for count in counts]
    await stack.control("POST", "/clock", json={"advance": DAYS_BEFORE})
    for tenant in tenants:
        await tenant.connect_stripe(f"con_s{tenant.name}", tenant.stripe_key)
        await tenant.connect_togai(f"con_t{tenant.name}", tenant.togai_token)
        await tenant.link(*(flow for flow in BUILT_IN if flow in (TO_STRIPE, TO_TOGAI)))
        await tenant.indexed(index_within)
    return tenants


async def _account(stack: Stack, count: int) -> Tenant:
    name = secrets.token_hex(4)
    stripe = await stack.control("POST", "/accounts", json={"app": "stripe", "key": f"sk_test_{name}"})
    togai = await stack.control("POST", "/accounts", json={"app": "togai", "key": f"togai_{name}"})
    await customers_of(stack, stripe["key"], count)
    return Tenant(stack, name, stripe["key"], stripe["id"], togai["key"], togai["id"])


async def asked_for(tenant: Tenant) -> str:
    """The id of an import of all customers that begins now."""
    body = {"kind": "customers", "payload": {}, "flow_link": tenant.link_id(TO_TOGAI)}
    return str((await tenant.ask("POST", "/imports", **body))["id"])


async def imported(tenant: Tenant) -> Import:
    """Import them all, from the question to the last one's link. Calls are all of this time, those of polls too."""
    await tenant.forget_calls()
    began = time.time()
    asked = await asked_for(tenant)

    async def done() -> Any:
        found = await tenant.stack.api(f"/imports/{asked}")
        # What is listed may still be on its way.
        return found if found["state"] == "done" and found["done"] >= found["listed"] else None

    found = await until(done, "the import", LONGEST, every=1)
    took = time.time() - began
    calls = {}
    for app, account in (("stripe", tenant.stripe_account), ("togai", tenant.togai_org)):
        counted = await tenant.stack.control("GET", "/calls", params={"account": account, "limit": "1"})
        calls[app] = sum(counted["counts"].values())
    return Import(took, calls, found)


class Live:
    """New Togai accounts, one each second, and when each was made."""

    def __init__(self, tenant: Tenant) -> None:
        self.made: dict[str, float] = {}
        self._tenant = tenant

    async def go_on(self, count: int = 10**9) -> None:
        """So many, or until cancelled."""
        for _ in range(count):
            name = f"live-{secrets.token_hex(5)}"
            sent = time.time()
            await self._tenant.new_account(name)
            self.made[name] = sent
            await asyncio.sleep(max(0.0, sent + 1 - time.time()))

    async def milliseconds(self) -> list[float]:
        """Of each, from its making to the end of the run that made its customer."""
        settings = self._tenant.stack.settings()
        ended: dict[str, float] = {}

        async def all_ended() -> bool:
            for record in await records(settings, Topics(settings).runs):
                run = decode_run(record.value)
                name = run.aggregate.rpartition("/")[2]
                if run.state == "succeeded" and name in self.made:
                    ended[name] = epoch(run.ended_at)
            return len(ended) >= len(self.made)

        await until(all_ended, "every live event", 120, every=2)
        found = [1000 * (ended[name] - sent) for name, sent in self.made.items()]
        self._print_slowest(found)
        return found

    def _print_slowest(self, found: list[float]) -> None:
        began = min(self.made.values())
        slowest = sorted(zip(found, self.made.values(), strict=True), reverse=True)[:8]
        print("slowest:", ", ".join(f"{took:.0f} ms after {at - began:.0f} s" for took, at in slowest))


async def at_quotas(home: Path, bootstrap: str, count: int, beside: int) -> list[Figure]:
    """One import at the quotas, and the same again; then another, with live events before and during it."""
    stack = await started(home, bootstrap, 1, **at(QUOTAS), **OF_OPERATIONS, **PATIENT)
    try:
        tenant, other = await before_tandem(stack, count, beside)
        first = await imported(tenant)
        second = await imported(tenant)
        written = {name: n for name, n in (await tenant.calls()).items() if name.endswith((".create", ".update"))}
        alone, busy = Live(other), Live(other)
        await alone.go_on(IDLE_EVENTS)
        idle = await alone.milliseconds()
        running = asyncio.create_task(busy.go_on())
        third = await imported(other)
        running.cancel()
        during = await busy.milliseconds()
    finally:
        await stack.stop()
    if first.linked != count or written:
        raise SystemExit(f"of {count} there were {first.counts}; the second import wrote {written}")
    return [
        Figure("import / floor", [first.seconds / first.floor], "", "at most 1.05"),
        Figure(f"import of {count:,} customers", [first.seconds], "s"),
        Figure("calls of the import, Togai", [first.calls["togai"]], "calls"),
        Figure("calls of the import, Stripe", [first.calls["stripe"]], "calls"),
        Figure("second import, writes nothing", [second.seconds], "s"),
        Figure(f"import of {beside:,} beside live events", [third.seconds], "s"),
        Figure(
            "live p99, during the import / idle", [percentile(during, 0.99) / percentile(idle, 0.99)], "", "at most 2"
        ),
        Figure("live, idle, p50", [percentile(idle, 0.5)], "ms"),
        Figure("live, idle, p99", [percentile(idle, 0.99)], "ms"),
        Figure("live, during the import, p50", [percentile(during, 0.5)], "ms"),
        Figure("live, during the import, p99", [percentile(during, 0.99)], "ms"),
    ]


async def without_quotas(home: Path, bootstrap: str, count: int, workers: int) -> float:
    """Customers a second."""
    stack = await started(home, bootstrap, workers, **PATIENT)
    try:
        [tenant] = await before_tandem(stack, count)
        found = await imported(tenant)
    finally:
        await stack.stop()
    return found.linked / found.seconds


async def measure(count: int, beside: int, scaling: int) -> list[Figure]:
    """Every figure."""
    with tempfile.TemporaryDirectory() as name:
        home, broker = Path(name), own_kafka(Path(name), free_port(in_a_row=2))
        await broker.start()
        try:
            found = await at_quotas(home / "quotas", broker.bootstrap, count, beside)
            rates = {n: await without_quotas(home / f"of{n}", broker.bootstrap, scaling, n) for n in (1, 2, 4)}
        finally:
            await broker.stop()
    found += [Figure(f"without quotas, {n} workers", [rate], "customers/s") for n, rate in rates.items()]
    return found + [Figure(f"{n} workers / one", [rates[n] / rates[1]], "") for n in (2, 4)]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__))
    parser.add_argument("--keep", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--customers", type=int, default=10_000, help="how many are imported (default 10,000)")
    parser.add_argument("--beside", type=int, default=6_000, help="how many beside live events (default 6,000)")
    parser.add_argument("--scaling", type=int, default=2_000, help="how many without quotas (default 2,000)")
    given = parser.parse_args()
    show("importing", asyncio.run(measure(given.customers, given.beside, given.scaling)), keep=given.keep, runs=1)


if __name__ == "__main__":
    main()
