"""Crash points, put round a process from outside: the product knows nothing of them.

An operation is a call to a vendor, a record sent to Kafka, an offset acknowledged, or a SQL transaction ended. Each has
a label that is the same in every run, and passes two points: before it begins, and after the outside has confirmed it.
The plan, a file, names the point to die at; every point that is passed is written to the journal, another file.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from sqlalchemy.engine.default import DefaultDialect

from tests.stack.points import Point, record_label

EXIT = 86
"""Exit status of a process that died at a crash point: nothing else ends with it."""


def one_of_each_kind(points: Sequence[Point]) -> list[Point]:
    """Of every kind of operation one, before and after it: the last label that always occurs once at least."""
    return list({(point.kind, point.phase): point for point in sorted(points) if point.number == 1}.values())


@dataclass(frozen=True)
class Plan:
    """What the processes of one Tandem shall do from now on: count afresh under `id`, and die at `die` if given."""

    id: int
    die: Point | None = None

    def write(self, path: Path) -> None:
        """At once as a whole: a process reads it at any moment."""
        new_file = path.with_suffix(".new")
        new_file.write_text(json.dumps(asdict(self)))
        new_file.replace(path)

    @classmethod
    def read(cls, path: Path) -> Plan:
        raw = json.loads(path.read_text())
        return cls(raw["id"], Point(**raw["die"]) if raw["die"] else None)


@dataclass(frozen=True)
class Passing:
    """One line of the journal: a point that was passed under a plan."""

    plan: int
    process: str
    point: Point


def passings(journal: Path, since: int = 0) -> list[Passing]:
    """Every whole line of a journal from the begin of one on, a place in bytes; in order."""
    lines = [json.loads(line) for line in _whole_lines(journal, since).splitlines()]
    return [Passing(line["plan"], line["process"], Point(**line["point"])) for line in lines]


def end_of(journal: Path) -> int:
    """Where the next line of a journal begins, in bytes."""
    return len(_whole_lines(journal, 0))


def _whole_lines(journal: Path, since: int) -> bytes:
    """A line that a process is just writing can be read in part: a write across two pages is not one step."""
    if not journal.exists():
        return b""
    with journal.open("rb") as file:
        file.seek(since)
        reported = file.read()
    return reported[: reported.rfind(b"\n") + 1]


@dataclass(frozen=True)
class Operation:
    """One under way: its place in the counting of the plan that it began under."""

    plan: int
    label: str
    number: int


class Points:
    """Counts and tells the operations of one process, and ends it at its point."""

    def __init__(self, process: str, plan: Path, journal: Path) -> None:
        self._process = process
        self._plan = plan
        self._journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._counts: Counter[str] = Counter()
        self._counted_for = -1
        self._lock = threading.Lock()  # Faust's consumer has a thread of its own

    def begin(self, label: str) -> Operation:
        """Before an operation."""
        with self._lock:
            plan = Plan.read(self._plan)
            if plan.id != self._counted_for:
                self._counted_for = plan.id
                self._counts.clear()
            self._counts[label] += 1
            operation = Operation(plan.id, label, self._counts[label])
            self._pass(plan, operation, "before")
        return operation

    def end(self, operation: Operation) -> None:
        """After it: the outside has confirmed it, and nothing here knows of that yet."""
        with self._lock:
            self._pass(Plan.read(self._plan), operation, "after")

    def _pass(self, plan: Plan, operation: Operation, phase: str) -> None:
        point = Point(operation.label, operation.number, phase)
        line = {"plan": operation.plan, "process": self._process, "point": asdict(point)}
        os.write(self._journal, (json.dumps(line) + "\n").encode())
        if plan.id == operation.plan and plan.die == point:
            os._exit(EXIT)


def install(points: Points, prefix: str) -> None:
    """Put the points round every operation of this process. `prefix` is that of its topics: no label holds it."""
    _round_http(points)
    _round_sends(points, prefix)
    _round_commits(points, prefix)
    _round_transactions(points)


def call_label(method: str, path: str) -> str:
    """A call's label: a part of the path that is no plain word is an id."""
    parts = [part if re.fullmatch(r"[a-z_]*|v1", part) else "{}" for part in path.split("/")]
    return f"call {method} {'/'.join(parts)}"


def _round_http(points: Points) -> None:
    """The lowest layer of both HTTP libraries that still knows what is asked for."""
    aiohttp_request = aiohttp.ClientSession._request
    httpx_request = httpx2.AsyncHTTPTransport.handle_async_request

    async def stripe(self: aiohttp.ClientSession, method: str, url: Any, **options: Any) -> aiohttp.ClientResponse:
        operation = points.begin(call_label(method.upper(), httpx2.URL(str(url)).path))
        answer = await aiohttp_request(self, method, url, **options)
        points.end(operation)
        return answer

    async def togai(self: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        operation = points.begin(call_label(request.method, request.url.path))
        answer = await httpx_request(self, request)
        points.end(operation)
        return answer

    _replace(aiohttp.ClientSession, "_request", stripe)
    _replace(httpx2.AsyncHTTPTransport, "handle_async_request", togai)


def _round_sends(points: Points, prefix: str) -> None:
    send = AIOKafkaProducer.send

    async def sent(self: Any, topic: str, value: bytes | None = None, *rest: Any, **options: Any) -> Any:
        operation = points.begin(record_label(topic.removeprefix(prefix), value))
        confirmed: asyncio.Future[Any] = await send(self, topic, value, *rest, **options)

        def reported(future: asyncio.Future[Any]) -> None:
            if not future.cancelled() and future.exception() is None:
                points.end(operation)

        # The first one to be called back: whoever waits for the record resumes after us.
        confirmed.add_done_callback(reported)
        return confirmed

    _replace(AIOKafkaProducer, "send", sent)


def _round_commits(points: Points, prefix: str) -> None:
    """One operation per record that is acknowledged: how many of them share a commit is a matter of time."""
    commit = AIOKafkaConsumer.commit
    known: dict[Any, int] = {}

    async def committed(self: Any, offsets: Mapping[Any, Any]) -> None:
        operations = []
        for partition, offset in offsets.items():
            last = known.get(partition)
            if last is None:
                last = await self.committed(partition) or 0
            upto = offset if isinstance(offset, int) else offset.offset
            label = f"acknowledge {partition.topic.removeprefix(prefix)}"
            operations += [points.begin(label) for _ in range(last, upto)]
            known[partition] = upto
        await commit(self, offsets)
        for operation in operations:
            points.end(operation)

    _replace(AIOKafkaConsumer, "commit", committed)


def _round_transactions(points: Points) -> None:
    commit = DefaultDialect.do_commit

    def committed(self: DefaultDialect, connection: Any) -> None:
        operation = points.begin("transaction")
        commit(self, connection)  # type: ignore[no-untyped-call]
        points.end(operation)

    _replace(DefaultDialect, "do_commit", committed)


def _replace(owner: type, name: str, function: Any) -> None:
    setattr(owner, name, function)
