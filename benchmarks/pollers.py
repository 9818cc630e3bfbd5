"""What the pollers cost, and how soon a change in Togai is in Stripe when no webhook tells of it.

    .venv/bin/python -m benchmarks.pollers [--keep]

Everything at its defaults: a poll of Togai every 60 s, at Stripe every 15 s, within 5 % of the quotas of 10 and 25
calls a second. 100 linked pairs are each changed once in Togai at random moments of three minutes; the calls of another
organization of 10,000 customers, where nothing changes, are counted for five.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from console.http import own_machine
from console.local.ports import free_port

from benchmarks.tables import Figure, arguments, show
from tests.engines.access import own_kafka
from tests.stack.processes import Stack, until
from tests.stack.tenants import POLLED, Tenant

SMALL, LARGE = 100, 10_000
CHANGED_WITHIN = 180.0
SETTLED_AFTER, COUNTED_FOR = 70.0, 300.0
QUOTAS = {"togai": 10.0, "stripe": 25.0}
HURRY = {"TANDEM_TOGAI_POLL_INTERVAL": "1", "TANDEM_STRIPE_POLL_INTERVAL": "1", "TANDEM_DELAY_SCALE": "1"}
"""Until everything is known and linked."""


async def add(tenant: Tenant, count: int) -> None:
    """So many customers in Togai, an account each."""
    at_once = asyncio.Semaphore(16)
    headers = {"Authorization": f"Bearer {tenant.togai_token}"}
    async with own_machine(base_url=tenant.stack.url("sandbox", "/togai"), timeout=60, headers=headers) as http:

        async def one(n: int) -> None:
            account = {"id": f"a{n}", "name": f"Account {n}", "invoiceCurrency": "USD"}
            body = {"id": f"c{n}", "name": f"Customer {n}", "primaryEmail": f"c{n}@bench.test", "account": account}
            async with at_once:
                answer = await http.post("/customers", json=body | {"address": {"country": "US"}})
                assert answer.is_success, answer.text

        await asyncio.gather(*(one(n) for n in range(count)))


async def at_defaults(stack: Stack) -> None:
    """Start ingress again, with the intervals and the quotas that everybody has."""
    stack.extra.pop("TANDEM_TOGAI_POLL_INTERVAL")
    stack.extra |= {f"TANDEM_{app.upper()}_QUOTA": str(quota) for app, quota in QUOTAS.items()}
    # Vendors at this very machine reach us: a poll every 15 min beside webhooks would be the default here.
    stack.extra["TANDEM_STRIPE_POLL_INTERVAL"] = "15"
    for name in list(stack.children):
        if name != "sandbox":
            await stack.children[name].stop(15)
            stack.launch_worker(int(name[7:])) if name.startswith("worker-") else stack.launch(name)
    await asyncio.gather(stack.ready("ingress"), stack.ready("console"), stack.workers_ready())


async def changes(home: Path, bootstrap: str) -> dict[str, list[float]]:
    """Seconds from a change in Togai to Stripe, and vendor calls for each change, the pollers' own apart."""
    stack = await Stack.start(home, bootstrap, workers=1, **HURRY)
    try:
        tenant = await Tenant.make(stack, webhooks=False)
        await add(tenant, SMALL)

        async def linked() -> bool:
            settings = (await tenant.togai_state())["settings"]
            return len([s for s in settings if s["id"] == "StripeCustomerId"]) == SMALL

        await until(linked, "every account linked", 300, every=2)
        await at_defaults(stack)
        await asyncio.sleep(SETTLED_AFTER)
        await tenant.forget_calls()
        began, rng = time.monotonic(), random.Random(1)
        asked: dict[str, float] = {}
        seen: dict[str, float] = {}

        async def change(n: int) -> None:
            await asyncio.sleep(rng.uniform(0, CHANGED_WITHIN))
            await tenant.togai("PATCH", f"/accounts/a{n}", json={"primaryEmail": f"new{n}@bench.test"})
            asked[f"new{n}@bench.test"] = time.monotonic()

        async def all_seen() -> bool:
            for customer in await tenant.stripe_customers():
                if customer["email"] in asked:
                    seen.setdefault(customer["email"], time.monotonic())
            return len(seen) == SMALL

        changing = asyncio.gather(*(change(n) for n in range(SMALL)))
        await until(all_seen, "every change in Stripe", CHANGED_WITHIN + 150, every=0.25)
        await changing
        await asyncio.sleep(SETTLED_AFTER)  # the echoes, which the pollers bring as well
        calls, all_calls = await tenant.calls(), await counted(tenant)
        measured = time.monotonic() - began
        return {
            "seconds": [seen[email] - asked[email] for email in seen],
            "calls": [sum(calls.values()) / SMALL - 1],  # one is the person's own
            **{f"share of {app}": [all_calls[app] / measured / quota] for app, quota in QUOTAS.items()},
        }
    finally:
        await stack.stop()


async def counted(tenant: Tenant) -> dict[str, int]:
    """The pollers' calls by vendor since they were forgotten."""
    found: dict[str, int] = {}
    for app, account in (("stripe", tenant.stripe_account), ("togai", tenant.togai_org)):
        answer: dict[str, Any] = await tenant.stack.control("GET", "/calls", params={"account": account})
        found[app] = sum(count for name, count in answer["counts"].items() if f"{app}:{name}" in POLLED)
    return found


async def large(home: Path, bootstrap: str) -> dict[str, list[float]]:
    """The share of the quotas that looks at a large organization take."""
    stack = await Stack.start(home, bootstrap, workers=1, **HURRY, TANDEM_POLL_SHARE="1")
    try:
        tenant = await Tenant.make(stack, webhooks=False)
        await tenant.switch("togai-account-to-stripe-customer", enabled=False)
        await add(tenant, LARGE)

        async def known() -> bool:
            async with own_machine(timeout=5) as http:
                items = (await http.get(stack.url("ingress", "/pollers"))).json()["items"]
            return any(item["kind"] == "togai-accounts" and item["found"] >= LARGE for item in items)

        await until(known, "every account known", 400, every=2)
        stack.extra.pop("TANDEM_POLL_SHARE")
        await at_defaults(stack)
        await asyncio.sleep(SETTLED_AFTER)
        await tenant.forget_calls()
        await asyncio.sleep(COUNTED_FOR)
        calls = await counted(tenant)
        return {f"share of {app}": [calls[app] / COUNTED_FOR / quota] for app, quota in QUOTAS.items()}
    finally:
        await stack.stop()


async def measure() -> list[Figure]:
    """Every figure."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        broker = own_kafka(home, free_port(in_a_row=2))
        await broker.start()
        try:
            few = await changes(home / "small", broker.bootstrap)
            many = await large(home / "large", broker.bootstrap)
        finally:
            await broker.stop()
    return [
        Figure("change in Togai to Stripe, of 100", few["seconds"], "s"),
        Figure("vendor calls a change, both ways, without the polls", few["calls"], "calls"),
        *(
            Figure(f"looks' share of {app.title()}'s quota, {size}", [100 * v for v in found[f"share of {app}"]], "%")
            for size, found in (("100 customers", few), ("10,000 customers", many))
            for app in QUOTAS
        ),
    ]


def main() -> None:
    given = arguments(str(__doc__), runs=1).parse_args()
    show("pollers", asyncio.run(measure()), keep=given.keep, runs=given.runs)


if __name__ == "__main__":
    main()
