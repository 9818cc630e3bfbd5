"""How long an offer takes to its payment link, and a payment to its plan, and which calls each of them costs.

    .venv/bin/python -m benchmarks.offers [--count 60] [--keep]

Before an idle Tandem, against the sandbox, at the quotas that everybody has: one offer after the other, one a second,
then each of them is paid. An offer's time is from the question at the console to the end of the step that made the
link, a payment's from what the customer did at the page to the end of the step that attached the plan. Pollers are off:
what they call is not the offer's. The calls are those of one plan, one offer and one checkout, by each of Togai's APIs.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from console.http import own_machine
from console.local.ports import free_port
from shared.domains.plans.flows import CHECKOUT_TO_PLAN, PLAN_TO_LINK, PLAN_TO_PRICES
from shared.domains.plans.progress import ATTACH, LINK
from shared.events.topics import Topics
from shared.flows.runs import Run, decode_run

from benchmarks.as_granted import NO_POLLS, PATIENT, TEST_MODE, at
from benchmarks.latency import epoch, percentile
from benchmarks.tables import Figure, keep_text, machine, table
from tests.engines.access import own_kafka
from tests.stack.processes import Stack, until
from tests.stack.tenants import POLLED, TO_STRIPE
from tests.stack.topics import records

SETTINGS = at(TEST_MODE) | PATIENT | NO_POLLS
EVERY = 1.0
"""Seconds from one offer, or payment, to the next: each is over by then."""
QUIET = 2.0
"""Seconds after a run's end until what it led to is over, too."""
TOKEN = {"Authorization": "Bearer togai_sandbox"}
APIS = ("v1", "v2")
Calls = Mapping[str, int]

REASONS = {
    "stripe:products.create": "the plan's product",
    "stripe:products.retrieve": "whether a person archived it: nothing is made for it then",
    "stripe:prices.create": "one for each thing that is asked for; an offer's first payment has its own",
    "stripe:prices.list": "those of a former version are archived",
    "stripe:payment_links.create": "the offer's link",
    "stripe:payment_links.retrieve": "whether it is closed already: one of a single payment closes itself",
    "togai:price_plans.retrieve": "what is sold, in the present version",
    "togai:v2.price_plans.retrieve": "the same by the second API",
    "togai:v2.price_plans.rate_cards": "the second API shows a plan without them",
    "togai:accounts.retrieve": "in which currency, and whether it is archived",
    "togai:customers.retrieve": "the e-mail address in the link, where the account has none of its own",
    "togai:accounts.pricing_schedules": "what could not be attached must not be paid for; nothing is attached twice",
    "togai:v2.accounts.schedules": "the same by the second API, with drafts: before, between and after its two writes",
    "togai:settings.retrieve": "what stands in the account's Settings may be a person's",
    "togai:settings.create": "the link in the account's Settings",
    "togai:accounts.associate_price_plan": "the plan",
    "togai:v2.accounts.edit_schedules": "the plan, as a draft",
    "togai:v2.accounts.finalize_schedules": "the draft becomes what holds",
    "togai:payments.create": "what was paid is counted",
}
"""Why each operation is called, by vendor and name."""


class Shop:
    """A vendor that sells plans."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._accounts: dict[str, str] = {}

    async def start(self) -> None:
        """A worker of plans beside that of customers. That flow 1 makes no customers is for the calls alone."""
        self._stack.launch_service("worker-plan", "plan_sync")
        await self._stack.ready("worker-plan")
        found = (await self._stack.api("/connections"))["items"]
        self._accounts = {one["app"]: str(one["app_account"]).rpartition(":")[2] for one in found}
        await self._tell(TO_STRIPE, "disable", {})

    async def choose(self, api: str) -> None:
        """Which of Togai's APIs the flow links of plans use from now on."""
        for flow in (PLAN_TO_LINK, CHECKOUT_TO_PLAN, PLAN_TO_PRICES):
            await self._tell(flow.id, "options", {"options": {"api": api}})

    async def _tell(self, flow: str, change: str, body: dict[str, Any]) -> None:
        found = (await self._stack.api("/flow-links"))["items"]
        link = next(one["id"] for one in found if one["flow"] == flow)
        await self._ask(f"/flow-links/{link}/{change}", body)
        await asyncio.sleep(QUIET)  # until every worker has read it

    async def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with own_machine(base_url=self._stack.url("console"), timeout=10) as http:
            answer = await http.post(f"/api{path}", json=body)
            assert answer.is_success, answer.text
            return dict(answer.json())

    async def account(self, name: str) -> str:
        """A Togai customer with one account."""
        own = {"id": name, "name": f"Account {name}", "invoiceCurrency": "USD"}
        body = {"id": f"c-{name}", "name": name, "primaryEmail": f"{name}@bench.test", "address": {}, "account": own}
        async with own_machine(base_url=self._stack.url("sandbox", "/togai"), timeout=10, headers=TOKEN) as http:
            (await http.post("/customers", json=body)).raise_for_status()
        return name

    async def plan(self, api: str) -> str:
        """An active plan with one monthly fee that is paid in advance."""
        body = {"account": self._accounts["togai"], "name": "Starter", "rates": {"USD": "49"}, "api": api}
        return str((await self._stack.control("POST", "/togai/price_plans", json=body))["id"])

    async def offer(self, plan: str, account: str) -> str:
        """The run that makes the link."""
        return str((await self._ask(f"/plans/{plan}/offers", {"account": account}))["run"])

    async def pay(self, link: str) -> str:
        """The session that a customer pays at a link."""
        body = {"account": self._accounts["stripe"], "payment_link": link, "outcome": "paid"}
        return str((await self._stack.control("POST", "/stripe/checkout", json=body))["session"])

    async def ended(self, wanted: Mapping[str, str]) -> dict[str, Run]:
        """The last run of each flow about each subject, once all have ended: `wanted` is flow by run or subject."""
        settings, found = self._stack.settings(), dict[str, Run]()

        async def all_ended() -> bool:
            for record in await records(settings, Topics(settings).runs):
                run = decode_run(record.value)
                for name in (run.id, run.aggregate.rpartition("/")[2]):
                    if run.ended and wanted.get(name) == run.flow:
                        found[name] = run
            return found.keys() >= wanted.keys()

        await until(all_ended, f"the end of {len(wanted)} runs", 120, every=1)
        if wrong := [run.reason or run.state for run in found.values() if run.state != "succeeded"]:
            raise SystemExit(f"{len(wrong)} runs did not succeed: {wrong[0]}")
        return found

    async def calls(self) -> dict[str, int]:
        """Calls since the last time, by vendor and operation, without the pollers'."""
        await asyncio.sleep(QUIET)
        counted: dict[str, int] = {}
        for app, account in self._accounts.items():
            found = await self._stack.control("GET", "/calls", params={"account": account, "limit": "1"})
            counted |= {f"{app}:{name}": count for name, count in found["counts"].items()}
            await self._stack.control("DELETE", "/calls", params={"account": account})
        return {name: count for name, count in counted.items() if name not in POLLED or "schedules" in name}


async def sold_once(shop: Shop, api: str) -> dict[str, Calls]:
    """The calls of a plan, of its offer and of the checkout."""
    await shop.choose(api)
    buyer = await shop.account(f"buyer-{api}")
    await shop.calls()
    plan = await shop.plan(api)
    await shop.ended({plan: PLAN_TO_PRICES.id})
    found: dict[str, Calls] = {"plan": own(await shop.calls(), "price_plans.create")}
    offered = await shop.offer(plan, buyer)
    link = output(next(iter((await shop.ended({offered: PLAN_TO_LINK.id})).values())), LINK)["payment_link"]
    found["offer"] = await shop.calls()
    session = await shop.pay(link)
    await shop.ended({session: CHECKOUT_TO_PLAN.id})
    found["checkout"] = await shop.calls()
    return found


def own(calls: Calls, *persons: str) -> Calls:
    """Without what a person did."""
    return {name: count for name, count in calls.items() if name.rpartition(":")[2] not in persons}


def output(run: Run, action: str) -> dict[str, Any]:
    """What a step of a run gave."""
    return next(dict(step.output or {}) for step in run.steps if step.action == action)


def ended_at(run: Run, action: str) -> float:
    """When a step of a run ended, in epoch seconds."""
    return next(epoch(step.ended_at) for step in run.steps if step.action == action)


async def times(shop: Shop, count: int) -> dict[str, list[float]]:
    """Milliseconds of so many offers of one plan and their payments, one after the other."""
    await shop.choose("v1")
    plan = await shop.plan("v1")
    buyers = [await shop.account(f"buyer-{n}") for n in range(count)]
    await shop.ended({plan: PLAN_TO_PRICES.id})
    asked: dict[str, float] = {}
    for buyer in buyers:
        began = time.time()
        asked[await shop.offer(plan, buyer)] = began
        await asyncio.sleep(max(0.0, began + EVERY - time.time()))
    offers = await shop.ended(dict.fromkeys(asked, PLAN_TO_LINK.id))
    paid: dict[str, float] = {}
    for run in offers.values():
        began = time.time()
        paid[await shop.pay(output(run, LINK)["payment_link"])] = began
        await asyncio.sleep(max(0.0, began + EVERY - time.time()))
    checkouts = await shop.ended(dict.fromkeys(paid, CHECKOUT_TO_PLAN.id))
    return {
        "offer to link": [1000 * (ended_at(run, LINK) - asked[name]) for name, run in offers.items()],
        "paid to attached": [1000 * (ended_at(run, ATTACH) - paid[name]) for name, run in checkouts.items()],
    }


async def measure(count: int) -> tuple[list[Figure], dict[str, dict[str, Calls]]]:
    """Every figure, and the calls by API."""
    with tempfile.TemporaryDirectory() as name:
        broker = own_kafka(Path(name), free_port(in_a_row=2))
        await broker.start()
        try:
            stack = await Stack.start(Path(name) / "home", broker.bootstrap, workers=1, **SETTINGS)
            try:
                shop = Shop(stack)
                await shop.start()
                calls = {api: await sold_once(shop, api) for api in APIS}
                found = await times(shop, count)
            finally:
                await stack.stop()
        finally:
            await broker.stop()
    figures = [
        Figure(f"{what}, {name}", [percentile(values, share)], "ms")
        for what, values in found.items()
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]
    return figures, calls


def calls_table(calls: dict[str, dict[str, Calls]]) -> str:
    """Each operation with its reason. Raises SystemExit for one that has none: it is not known why it is called."""
    lines = ["| for each | call | first API | second API | why |", "| --- | --- | ---: | ---: | --- |"]
    for what in next(iter(calls.values())):
        names = {name: None for api in APIS for name in calls[api][what]}
        for name in sorted(names, key=lambda name: (name.startswith("togai"), name)):
            if name not in REASONS:
                raise SystemExit(f"nobody says why {name} is called for {what}")
            counts = " | ".join(str(calls[api][what].get(name, "")) for api in APIS)
            lines.append(f"| {what} | `{name}` | {counts} | {REASONS[name]} |")
        sums = " | ".join(str(sum(calls[api][what].values())) for api in APIS)
        lines.append(f"| **{what}** | | {sums} | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__))
    parser.add_argument("--keep", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--count", type=int, default=60, help="how many offers, each of which is paid (default 60)")
    given = parser.parse_args()
    figures, calls = asyncio.run(measure(given.count))
    said = f"{given.count} offers, {machine()}"
    keep_text("offers", f"{table(figures)}\n\n{said}\n\n{calls_table(calls)}", keep=given.keep)


if __name__ == "__main__":
    main()
