"""Tandems that all processes of a test run share: each test has a tenant of its own in them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil

from tests.engines.host import Get, Maker
from tests.stack.forked import Forked
from tests.stack.processes import Stack

LAST_LINES = 20


@dataclass(frozen=True)
class Running:
    """A process that another one has started, to look at."""

    pid: int
    log: Path

    @property
    def alive(self) -> bool:
        try:
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    @property
    def exit_reason(self) -> str:
        return "still runs" if self.alive else "has ended"

    @property
    def last_lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()[-LAST_LINES:] if self.log.exists() else []


@dataclass(frozen=True)
class Description:
    """What another process needs to use a stack that runs."""

    home: Path
    bootstrap: str
    prefix: str
    ports: Mapping[str, int]
    extra: Mapping[str, str]
    running: Mapping[str, Running]


def attached(found: Description) -> Stack:
    """The stack that is described, to be used and not to be stopped."""
    children = {name: cast(Forked, process) for name, process in found.running.items()}
    return Stack(found.home, found.bootstrap, found.prefix, dict(found.ports), dict(found.extra), children)


def maker(workers: int, **settings: str) -> Maker:
    """Starts a Tandem for the whole run."""

    @contextmanager
    def start(home: Path, get: Get) -> Iterator[Any]:
        stack = asyncio.run(Stack.start(home, get("kafka"), workers=workers, **settings))
        running = {name: Running(child.pid, child.log) for name, child in stack.children.items()}
        try:
            yield Description(stack.home, stack.bootstrap, stack.prefix, stack.ports, stack.extra, running)
        finally:
            asyncio.run(stack.stop())

    return start
