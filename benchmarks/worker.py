"""Events a second through customer-sync, against a bare pool that does the same calls, and two workers against one.

    .venv/bin/python -m benchmarks.worker [--runs 3] [--keep]

Every event is a new Togai account: five calls of 20 ms each, 64 in flight, quotas lifted. The events stand in the topic
before the worker starts; what counts is the time from the first run's begin to the last run's end. The bare pool reads
the same events and does the same calls with the same clients, and neither claims, records nor acknowledges. The worker,
Kafka and who answers for the vendors share the machine's cores, so the processor time of an event is reported too.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psutil
from console.http import own_machine
from console.local.child import Child
from console.local.ports import free_port, is_free
from shared.connections import Connection, FlowLink, Secrets, Vault, encode, encryption_keys
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope, timestamp
from shared.events.topics import Topics
from shared.flows.runs import Run, decode_run
from shared.kafka.log import Log
from shared.runtime.admin import ensure_topics
from shared.settings import Settings

from benchmarks.as_granted import PATIENT
from benchmarks.tables import Figure, arguments, show
from tests.engines.access import own_kafka
from tests.stack.forked import Forked
from tests.stack.processes import Stack, until
from tests.stack.topics import records

EVENTS = 3000
CALLS = 5
FLOW = "togai-account-to-stripe-customer"
STRIPE, TOGAI = "stripe:test:acct_1", "togai:test:org_1"


def event(number: int) -> Envelope:
    """A Togai account is new."""
    account = f"account-{number}"
    return Envelope(
        id=f"tgi_{number}",
        source=f"urn:tandem:{TOGAI}",
        type="togai.account.created",
        subject=account,
        time=timestamp(datetime.now(UTC)),
        appaccount=TOGAI,
        connection="con_togai",
        aggregate=f"{TOGAI}/account/{account}",
        data=msgspec.Raw(msgspec.json.encode({"payload": {"id": account, "customerId": f"c-{account}"}})),
    )


async def prepare(stack: Stack, vendor: str, *, events: int = EVENTS, hook: str = "") -> Topics:
    """Topics, connections and the flow link, without asking anybody; and so many events."""
    settings = stack.settings()
    vault, topics = Vault(encryption_keys(settings, create=True)), Topics(settings)
    await ensure_topics(settings)
    kept = Secrets(api_key="sk_test_x", webhook_token=hook)
    common: Any = {"mode": "test", "sealed": "", "changed_at": timestamp(datetime.now(UTC))}
    async with Log(settings) as kafka:
        for app, account in (("stripe", STRIPE), ("togai", TOGAI)):
            name: Any = app
            made = Connection(id=f"con_{app}", app=name, app_account=account, api_base=f"{vendor}/{app}", **common)
            await kafka.append(topics.connections, made.id, encode(vault.seal(made, kept)))
        link = FlowLink(id="link", flow=FLOW, connections={"stripe": "con_stripe", "togai": "con_togai"})
        await kafka.append(topics.flow_links, link.id, encode(link))
        topic, several = topics.events("customer"), [event(number) for number in range(events)]
        await asyncio.gather(*(kafka.append(topic, e.aggregate, envelopes.encode(e), deadline=60) for e in several))
    return topics


async def called(vendor: str) -> int:
    """How often the vendors were called."""
    async with own_machine(timeout=5) as http:
        return int((await http.get(f"{vendor}/counted")).json()["calls"])


async def all_ended(settings: Settings, topics: Topics) -> dict[str, Run] | None:
    """Every event's run once all have ended."""
    recorded = [decode_run(record.value) for record in await records(settings, topics.runs)]
    ended = {run.id: run for run in recorded if run.ended}
    return ended if len(ended) >= EVENTS else None


def processor_seconds(children: Iterable[Forked]) -> float:
    """What so many processes have used until now."""
    times = [psutil.Process(child.pid).cpu_times() for child in children]
    return sum(time.user + time.system for time in times)


async def tandem(home: Path, bootstrap: str, vendor: str, workers: int) -> tuple[float, float]:
    """Events a second through so many workers, and their processor time for one in milliseconds."""
    extra = {"TANDEM_POLLING": "false", "TANDEM_STRIPE_QUOTA": "0", "TANDEM_TOGAI_QUOTA": "0"}
    stack = Stack.bare(home, bootstrap, **extra, **PATIENT)
    topics, before = await prepare(stack, vendor), await called(vendor)
    for number in range(1, workers + 1):
        stack.launch_worker(number)

    used: list[tuple[int, float]] = []

    async def all_called() -> bool:
        calls = await called(vendor) - before
        if calls:
            used.append((calls, processor_seconds(stack.children.values())))
        return calls >= CALLS * EVENTS

    try:
        # The vendors are asked as long as there is work: to read the topic takes a core away from who is measured.
        await until(all_called, "every call", 300, every=1)
        ended = await until(lambda: all_ended(stack.settings(), topics), "every event worked on", every=2)
    finally:
        await asyncio.gather(*(child.stop(15) for child in stack.children.values()))
    wrong = [run for run in ended.values() if run.state != "succeeded"]
    if wrong:
        raise SystemExit(f"{len(wrong)} runs did not succeed, as {wrong[0].id}: {wrong[0].reason}")
    started = min(datetime.fromisoformat(run.started_at) for run in ended.values())
    end = max(datetime.fromisoformat(run.ended_at) for run in ended.values())
    (few, early), (many, late) = used[0], used[-1]
    return EVENTS / (end - started).total_seconds(), 1000 * CALLS * (late - early) / (many - few)


async def bare(home: Path, bootstrap: str, vendor: str) -> tuple[float, float]:
    """Events a second through the bare pool, and its processor time for one in milliseconds."""
    topics = await prepare(Stack.bare(home, bootstrap), vendor)
    command = [
        sys.executable,
        "-m",
        "benchmarks.bare_worker",
        bootstrap,
        topics.events("customer"),
        str(EVENTS),
        vendor,
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    found: dict[str, float] = json.loads(out)
    return found["per_second"], found["processor_ms"]


@asynccontextmanager
async def engines(home: Path) -> AsyncIterator[tuple[str, str]]:
    """A Kafka, and both vendors' answers: their addresses."""
    port, broker = free_port(), own_kafka(home, free_port(in_a_row=2))
    await broker.start()
    vendor = Child([sys.executable, "-m", "benchmarks.vendor", str(port)], home / "vendor.log")

    async def up() -> bool:
        return not is_free(port)

    try:
        await until(up, "the vendors' answers", 20)
        yield broker.bootstrap, f"http://127.0.0.1:{port}"
    finally:
        await vendor.stop(5)
        await broker.stop()


async def measure(runs: int) -> list[Figure]:
    """Every figure."""
    found: dict[str, list[tuple[float, float]]] = {"bare": [], "one": [], "two": []}
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        async with engines(home) as (bootstrap, vendor):
            for run in range(runs):
                found["bare"].append(await bare(home / f"bare{run}", bootstrap, vendor))
                found["one"].append(await tandem(home / f"one{run}", bootstrap, vendor, 1))
                found["two"].append(await tandem(home / f"two{run}", bootstrap, vendor, 2))
    return figures(found)


def figures(found: dict[str, list[tuple[float, float]]]) -> list[Figure]:
    """Rates, and their ratios run by run."""
    rates = {name: [rate for rate, _ in runs] for name, runs in found.items()}
    used = {name: [milliseconds for _, milliseconds in runs] for name, runs in found.items()}
    against = [one / bare for one, bare in zip(rates["one"], rates["bare"], strict=True)]
    scaled = [two / one for two, one in zip(rates["two"], rates["one"], strict=True)]
    return [
        Figure("one worker / bare pool", against, "", "at least 0.95"),
        Figure("two workers / one", scaled, "", "at least 1.8"),
        Figure("bare pool", rates["bare"], "events/s"),
        Figure("one worker", rates["one"], "events/s"),
        Figure("two workers", rates["two"], "events/s"),
        Figure("processor time of an event, bare pool", used["bare"], "ms"),
        Figure("processor time of an event, one worker", used["one"], "ms"),
        Figure("processor time of an event, two workers", used["two"], "ms"),
    ]


def main() -> None:
    given = arguments(str(__doc__), runs=3).parse_args()
    show("worker", asyncio.run(measure(given.runs)), keep=given.keep, runs=given.runs)


if __name__ == "__main__":
    main()
