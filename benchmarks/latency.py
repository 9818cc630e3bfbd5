"""How long an event takes from the vendor to the other vendor at 50 events a second, and where the time goes.

    .venv/bin/python -m benchmarks.latency [--runs 3] [--keep]

Togai's webhooks come in at an even pace through ingress; one worker makes five calls of 20 ms for each, without quotas.
Every figure is of the events of the steady middle; the parts are those of the records that Tandem itself writes.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.events import envelope as envelopes
from shared.flows.runs import Run, decode_run

from benchmarks.as_granted import PATIENT
from benchmarks.tables import Figure, arguments, show
from benchmarks.worker import engines, prepare
from tests.stack.processes import Stack, until
from tests.stack.topics import records

PER_SECOND = 50.0
SECONDS = 20.0
CUT = 0.2
"""Share of the events at the beginning that do not count: the processes warm up."""
HOOK = "bench-token-of-the-address"


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which a share of all lies."""
    found = sorted(values)
    return found[min(len(found) - 1, int(len(found) * share))]


async def once(home: Path, bootstrap: str, vendor: str) -> dict[str, list[float]]:
    """Milliseconds of every event, by part."""
    extra = {"TANDEM_POLLING": "false", "TANDEM_STRIPE_QUOTA": "0", "TANDEM_TOGAI_QUOTA": "0"}
    stack = Stack.bare(home, bootstrap, **extra, **PATIENT)
    topics = await prepare(stack, vendor, events=0, hook=HOOK)
    stack.launch_worker(1)
    stack.launch("ingress")
    await asyncio.gather(stack.ready("ingress"), stack.workers_ready())
    url = stack.url("ingress", f"/webhooks/togai/con_togai/account.created/{HOOK}")
    command = [sys.executable, "-m", "benchmarks.load_togai", url, str(PER_SECOND), str(SECONDS)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    sent: dict[str, list[float]] = json.loads(out)
    ended: dict[str, Run] = {}

    async def all_ended() -> bool:
        for record in await records(stack.settings(), topics.runs):
            run = decode_run(record.value)
            if run.ended:
                ended[run.aggregate.rpartition("/")[2]] = run
        return len(ended) >= len(sent)

    try:
        await until(all_ended, "every event worked on", 120, every=2)
        events = await records(stack.settings(), topics.events("customer"))
    finally:
        await asyncio.gather(*(child.stop(15) for child in stack.children.values()))
    taken = {e.subject: epoch(e.time) for e in (envelopes.decode(record.value) for record in events)}
    counted = sorted(sent, key=lambda name: sent[name][0])[int(len(sent) * CUT) :]
    rows = [parts(sent[name], taken[name], ended[name]) for name in counted]
    return {part: [row[part] for row in rows] for part in rows[0]}


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def parts(sent: list[float], taken: float, run: Run) -> dict[str, float]:
    """Where one event's time went, in milliseconds. Records tell milliseconds, so a part may be off by one."""
    calls = sum(epoch(step.ended_at) - epoch(step.started_at) for step in run.steps)
    started, ended = epoch(run.started_at), epoch(run.ended_at)
    found = {
        "whole": ended - sent[0],
        "receive (sent to wrapped)": taken - sent[0],
        "append (wrapped to answered)": sent[1] - taken,
        "fetch and queue (answered to begun)": started - sent[1],
        "steps: calls, claim and mapping": calls,
        "records between the steps": ended - started - calls,
    }
    return {part: 1000 * max(0.0, seconds) for part, seconds in found.items()}


async def measure(runs: int) -> list[Figure]:
    """Every figure."""
    with tempfile.TemporaryDirectory() as name:
        async with engines(Path(name)) as (bootstrap, vendor):
            found = [await once(Path(name) / f"run{run}", bootstrap, vendor) for run in range(runs)]
    lines = [
        Figure("webhook to the run's end, p50", [percentile(run["whole"], 0.5) for run in found], "ms"),
        Figure("webhook to the run's end, p99", [percentile(run["whole"], 0.99) for run in found], "ms"),
    ]
    for part in list(found[0])[1:]:
        lines.append(Figure(f"{part}, median", [statistics.median(run[part]) for run in found], "ms"))
    return lines


def main() -> None:
    given = arguments(str(__doc__), runs=3).parse_args()
    found: Any = asyncio.run(measure(given.runs))
    show("latency", found, keep=given.keep, runs=given.runs)


if __name__ == "__main__":
    main()
