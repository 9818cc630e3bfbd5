"""Webhooks a second that ingress accepts, against a bare application on the same server.

    .venv/bin/python -m benchmarks.ingress [--runs 5] [--keep]

Both verify the signature over the raw bytes and append with acks=all to the same embedded Kafka, which flushes every
record to the disk. They are measured in turn, with 64 connections and bodies of 1 KB, by one and by two processes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from console.local.child import Child
from console.local.kafka import EmbeddedKafka
from console.local.ports import free_port, is_free

from benchmarks.tables import Figure, arguments, show
from tests.engines.access import own_kafka
from tests.integration.ingress.harness import NEW_SECRET, STRIPE, Harness
from tests.stack.processes import until


async def load(urls: list[str]) -> dict[str, float]:
    """One measurement by a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load", "--secret", NEW_SECRET, *urls]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    found: dict[str, float] = json.loads(out)
    if found["refused"]:
        raise SystemExit(f"{found['refused']:.0f} webhooks were refused: nothing is measured by that")
    return found


async def bare(home: Path, broker: EmbeddedKafka, topic: str, number: int) -> tuple[Child, str]:
    """A bare receiver, and its address."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare", str(port), broker.bootstrap, topic, NEW_SECRET]
    child = Child(command, home / f"bare-{number}.log")

    async def up() -> bool:
        return not is_free(port)

    await until(up, "the bare receiver listens", 20)
    return child, f"http://127.0.0.1:{port}/"


async def doors(home: Path, broker: EmbeddedKafka, count: int) -> list[Harness]:
    """Ingress processes over the same topics."""
    first = await Harness.open(home / "ingress", broker.bootstrap, TANDEM_POLLING="false")
    found = [first]
    for _ in range(count - 1):
        ports = first.stack.ports | {"ingress": free_port(), "ingress_admin": free_port()}
        other = Harness(replace(first.stack, ports=ports, children={}))
        other.stack.launch("ingress")
        await other.stack.ready("ingress")
        found.append(other)
    return found


async def measure(runs: int) -> list[Figure]:
    """Every figure."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        broker = own_kafka(home, free_port(in_a_row=2))
        await broker.start()
        try:
            return [figure for count in (1, 2) for figure in await _side_by_side(home, broker, count, runs)]
        finally:
            await broker.stop()


async def _side_by_side(home: Path, broker: EmbeddedKafka, count: int, runs: int) -> list[Figure]:
    ours = await doors(home / str(count), broker, count)
    topic = ours[0].topics.other
    theirs = [await bare(home, broker, topic, number) for number in range(count)]
    found: dict[str, list[dict[str, Any]]] = {"ingress": [], "bare": []}
    try:
        for _ in range(runs):
            found["bare"].append(await load([url for _, url in theirs]))
            found["ingress"].append(await load([harness.url(f"/webhooks/stripe/{STRIPE}") for harness in ours]))
    finally:
        await asyncio.gather(*(harness.close() for harness in ours), *(child.stop(5) for child, _ in theirs))
    return figures(count, found)


def figures(count: int, found: dict[str, list[dict[str, Any]]]) -> list[Figure]:
    """Rates, their ratio pair by pair, and the times of an answer."""
    who = "1 process" if count == 1 else f"{count} processes"
    pairs = zip(found["ingress"], found["bare"], strict=True)
    ratio = [ours["per_second"] / theirs["per_second"] for ours, theirs in pairs]
    lines = [Figure(f"ingress / bare, {who}", ratio, "", "at least 0.8" if count == 1 else "")]
    for name, runs in found.items():
        lines += [
            Figure(f"{name}, {who}", [run["per_second"] for run in runs], "webhooks/s"),
            Figure(f"{name}, {who}, p50", [run["p50_ms"] for run in runs], "ms"),
            Figure(f"{name}, {who}, p99", [run["p99_ms"] for run in runs], "ms"),
        ]
    return lines


def main() -> None:
    given = arguments(str(__doc__), runs=5).parse_args()
    show("ingress", asyncio.run(measure(given.runs)), keep=given.keep, runs=given.runs)


if __name__ == "__main__":
    main()
