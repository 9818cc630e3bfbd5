"""From an invoice's generation to its mail, from its payment to PAID in Togai, and what both cost in calls.

    .venv/bin/python -m benchmarks.invoices [--runs 3] [--idle 60] [--invoices 120] [--keep]

First one invoice after the other, each paid, on a Tandem that does nothing else: times are from the vendor's own change
to the end of the step that makes the other one. Then many at once, at the quotas of test mode: the floor is what their
calls take at these. At last the calls of one invoice and of one payment, by operation. Sandbox, Kafka and workers share
the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console.local.ports import free_port
from console.setup import prepare
from shared.domains.invoices.flows import INVOICE_TO_STRIPE, PAYMENT_TO_TOGAI
from shared.domains.invoices.intents import INVOICE_TO_INTENT
from shared.domains.invoices.taxes import DRAFT_TO_TAX
from shared.events.topics import Topics
from shared.flows.runs import Run, decode_run

from benchmarks.as_granted import NO_POLLS, PATIENT, TEST_MODE, at
from benchmarks.latency import epoch, percentile
from benchmarks.tables import Figure, cores, keep_text, table
from tests.engines.access import own_kafka
from tests.stack.processes import QUICK, UNLIMITED, Stack, until
from tests.stack.tenants import Tenant
from tests.stack.topics import records

SETTINGS = at(TEST_MODE) | PATIENT | NO_POLLS
HOOKS = {"Invoice generation": "invoice.generated", "Invoice updation": "invoice.updated"}
ACCOUNTS = 10
PAUSE = 2.0
"""Seconds between two changes while nothing else is done: longer than what the one before leads to."""
LONGEST = 900.0
SENT, COUNTED = "stripe.invoice.send", "togai.invoice.pay"
Json = dict[str, Any]

REASONS = {
    "togai:invoices.retrieve": "what is billed; what is open before a payment is counted; Togai's news of it",
    "togai:settings.retrieve": "whether Togai's own integration has made it; whether it is done",
    "stripe:invoices.create": "the draft, alone: nothing of its customer comes in",
    "stripe:invoices.add_lines": "its lines, up to a hundred in one call",
    "stripe:invoices.retrieve": "the penny gate; what was paid of it; Togai's news of the payment",
    "stripe:invoices.finalize": "once currency and total are right",
    "stripe:invoices.send": "the mail",
    "togai:settings.create": "the page where it is paid, and the Stripe invoice's id",
    "togai:payments.create": "what was paid, once under its number",
}
"""Of each operation. A payment of the whole is two facts at Stripe, and the second may close more than was paid."""


@dataclass
class Times:
    """Of invoices by their ids at Togai: when each was generated and paid, in epoch seconds."""

    generated: dict[str, float] = field(default_factory=dict)
    paid: dict[str, float] = field(default_factory=dict)


class Billing:
    """What people do in one Tandem, and what its runs tell."""

    def __init__(self, stack: Stack, tenant: Tenant) -> None:
        self.stack = stack
        self.tenant = tenant

    async def generate(self, number: int) -> str:
        """Togai generates an invoice that is due. Returns its id."""
        body = {"account": self.tenant.togai_org, "togai_account": account(number), "status": "DUE"}
        lines = [{"name": "Base fee", "amount": "49.50"}, {"name": "Calls", "amount": f"{1 + number % 90}.01"}]
        return str((await self.stack.control("POST", "/togai/invoices", json=body | {"lines": lines}))["id"])

    async def pay(self, stripe_invoice: str, amount: int | None = None) -> None:
        """Its customer pays it at Stripe."""
        body = {"account": self.tenant.stripe_account, "amount": amount, "outcome": "succeeded"}
        await self.stack.control("POST", f"/stripe/invoices/{stripe_invoice}/pay", json=body)

    async def mailed(self) -> set[str]:
        """The Stripe invoices that were sent."""
        found = await self.stack.control("GET", "/outbox", params={"account": self.tenant.stripe_account})
        return {str(mail["invoice"]) for mail in found["mails"]}

    async def sent_one(self, number: int) -> tuple[str, str]:
        """Generate one and wait a while. Its ids at Togai and Stripe; raises SystemExit where it was not sent yet."""
        before = await self.mailed()
        made = await self.generate(number)
        await asyncio.sleep(PAUSE)
        sent = await self.mailed() - before
        if len(sent) != 1:
            raise SystemExit(f"{made} was not sent within {PAUSE} s: this machine is not idle")
        return made, sent.pop()

    async def runs(self) -> list[Run]:
        """Every run's last state."""
        settings = self.stack.settings()
        found = {run.id: run for run in [decode_run(r.value) for r in await records(settings, Topics(settings).runs)]}
        return list(found.values())

    async def ends(self, flow: str, action: str) -> dict[str, float]:
        """When a step of a flow first ended well, by the invoice of Togai that its run names."""
        found: dict[str, float] = {}
        for run in [run for run in await self.runs() if run.flow == flow]:
            [name] = {ref.rpartition("/")[2] for ref in run.refs if "togai:" in ref and "/invoice/" in ref} or {""}
            for step in run.steps:
                if step.action == action and step.state == "succeeded":
                    found[name] = min(found.get(name, epoch(step.ended_at)), epoch(step.ended_at))
        return found

    async def all_sent(self, wanted: Sequence[str]) -> dict[str, float]:
        """Wait until so many were sent; when each was."""

        async def done() -> dict[str, float] | None:
            ended = await self.ends(INVOICE_TO_STRIPE.id, SENT)
            return ended if set(wanted) <= set(ended) else None

        return dict(await until(done, "every invoice sent", LONGEST, every=2))


def account(number: int) -> str:
    return f"acc-{number % ACCOUNTS}"


@asynccontextmanager
async def billing(home: Path, bootstrap: str) -> AsyncIterator[Billing]:
    """Everything up, accounts with their customers, webhooks of invoices at both vendors."""
    stack = Stack.bare(home, bootstrap, **SETTINGS)
    await stack.launch_sandbox()
    try:
        await stack.control("PATCH", "/settings", json=UNLIMITED | QUICK)
        await prepare(stack.settings())
        stack.launch_worker(1)
        stack.launch_service("worker-invoices", "invoice_sync")
        stack.launch("ingress")
        stack.launch("console")
        await asyncio.gather(stack.ready("ingress"), stack.ready("console"), stack.workers_ready())
        yield Billing(stack, await _tenant(stack))
    finally:
        await stack.stop()


async def _tenant(stack: Stack) -> Tenant:
    tenant = await Tenant.make(stack, indexed=False)
    # What a person has to choose is off, as set-up leaves it.
    for flow in (INVOICE_TO_INTENT.id, DRAFT_TO_TAX.id):
        await tenant.link(flow, enabled=False)
    [endpoint] = (await tenant.stripe("GET", "/v1/webhook_endpoints"))["data"]
    await tenant.stripe("POST", f"/v1/webhook_endpoints/{endpoint['id']}", data={"enabled_events[0]": "*"})
    for event, name in HOOKS.items():
        url = tenant.togai_hook(tenant.made[1].id).replace("account.created", name)
        await stack.control("POST", "/subscriptions", json={"account": tenant.togai_org, "event": event, "url": url})
    for number in range(ACCOUNTS):
        await tenant.mapping(await tenant.new_account(account(number)))
    return tenant


async def idle(bill: Billing, count: int) -> tuple[list[float], list[float]]:
    """One after the other: milliseconds from generated to sent, and from paid to counted."""
    times = Times()
    for number in range(count):
        began = time.time()
        made, invoice = await bill.sent_one(number)
        times.generated[made], times.paid[made] = began, time.time()
        await bill.pay(invoice)
        await asyncio.sleep(PAUSE)
    sent, counted = await bill.all_sent(list(times.generated)), await bill.ends(PAYMENT_TO_TOGAI.id, COUNTED)
    return (
        [1000 * (sent[name] - began) for name, began in times.generated.items()],
        [1000 * (counted[name] - began) for name, began in times.paid.items()],
    )


async def at_once(bill: Billing, count: int) -> tuple[float, float]:
    """Many at once: seconds until the last one is sent, and what their calls take at the quotas."""
    await bill.tenant.forget_calls()
    began, left = time.time(), iter(range(count))
    made: list[str] = []

    async def generate() -> None:
        for number in left:
            made.append(await bill.generate(number))

    await asyncio.gather(*(generate() for _ in range(8)))
    sent = await bill.all_sent(made)
    calls = await bill.tenant.calls()
    by_app = {app: sum(n for name, n in calls.items() if name.startswith(f"{app}:")) for app in TEST_MODE}
    return max(sent[name] for name in made) - began, max(by_app[app] / quota for app, quota in TEST_MODE.items())


async def calls_of(bill: Billing) -> dict[str, Mapping[str, int]]:
    """The calls of an invoice, of a payment of a part, and of one of the whole, with all that they lead to."""
    found: dict[str, Mapping[str, int]] = {}

    async def counted(what: str) -> None:
        await asyncio.sleep(PAUSE)
        found[what] = await bill.tenant.calls()
        await bill.tenant.forget_calls()

    await bill.tenant.forget_calls()
    _, first = await bill.sent_one(0)
    await counted("an invoice")
    await bill.pay(first, 1000)
    await counted("a payment of a part")
    _, second = await bill.sent_one(1)
    await bill.tenant.forget_calls()
    await bill.pay(second)
    await counted("a payment of the whole")
    return found


def calls_table(found: Mapping[str, Mapping[str, int]]) -> str:
    """A Markdown table. Raises SystemExit for a call that has no reason."""
    names = sorted({name for calls in found.values() for name in calls}, key=list(REASONS).index)
    lines = [["call", *found, "reason"], ["---", *("---:" for _ in found), "---"]]
    lines += [[name, *(str(calls.get(name, "")) for calls in found.values()), REASONS[name]] for name in names]
    lines.append(["**all**", *(str(sum(calls.values())) for calls in found.values()), ""])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


async def once(home: Path, bootstrap: str, few: int, many: int) -> tuple[dict[str, float], str]:
    """The figures of one run, by name, and the table of calls."""
    async with billing(home, bootstrap) as bill:
        sent, counted = await idle(bill, few)
        seconds, floor = await at_once(bill, many)
        await asyncio.sleep(2 * PAUSE)
        calls = await calls_of(bill)
    unknown = {name for one in calls.values() for name in one} - set(REASONS)
    if unknown:
        raise SystemExit(f"calls without a reason: {', '.join(sorted(unknown))}")
    found = {
        "generated to sent, p50": percentile(sent, 0.5), "generated to sent, p99": percentile(sent, 0.99),
        "paid to PAID, p50": percentile(counted, 0.5), "paid to PAID, p99": percentile(counted, 0.99),
        "many at once": many / seconds, "what the quotas allow": many / floor,
        "many at once / what the quotas allow": floor / seconds,
    }  # fmt: skip
    return found, calls_table(calls)


async def measure(runs: int, few: int, many: int) -> tuple[list[Figure], str]:
    """Every figure, and the table of calls."""
    found, calls = [], ""
    with tempfile.TemporaryDirectory() as name:
        home, broker = Path(name), own_kafka(Path(name), free_port(in_a_row=2))
        await broker.start()
        try:
            for run in range(runs):
                figures, calls = await once(home / f"run{run}", broker.bootstrap, few, many)
                found.append(figures)
        finally:
            await broker.stop()
    units = {"many at once": "invoices/s", "what the quotas allow": "invoices/s"}
    return [
        Figure(name, [one[name] for one in found], units.get(name, "" if " / " in name else "ms")) for name in found[0]
    ], calls


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__))
    parser.add_argument("--keep", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--runs", type=int, default=3, help="how often everything is measured (default 3)")
    parser.add_argument("--idle", type=int, default=60, help="invoices one after the other (default 60)")
    parser.add_argument("--invoices", type=int, default=120, help="invoices at once (default 120)")
    given = parser.parse_args()
    figures, calls = asyncio.run(measure(given.runs, given.idle, given.invoices))
    footer = (
        f"{given.runs} runs of {given.idle} invoices one after the other and {given.invoices} at once, {cores()} cores."
    )
    keep_text("invoices", f"{table(figures)}\n\n{calls}\n\n{footer}", keep=given.keep)


if __name__ == "__main__":
    main()
