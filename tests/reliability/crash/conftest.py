"""Every asked-for scenario is swept side by side, once: a life waits more than it works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.reliability.asking import asked_of
from tests.reliability.crash.mutations import MUTATIONS
from tests.reliability.crash.points import one_of_each_kind
from tests.reliability.crash.scenarios import Scenario
from tests.reliability.crash.sweep import Choice, Sweep, sweep
from tests.reliability.crash.tandem import Bred, Tandem, open_sandbox
from tests.stack.points import Point
from tests.stack.processes import Stack

Outcome = Sweep | BaseException


class Asked(NamedTuple):
    """A scenario, the mutation of the product, empty for none, and whether one point of each kind is enough.

    A mutation is looked for at the points of its label among these few: so the slice itself is shown to catch it.
    """

    scenario: type[Scenario]
    mutation: str = ""
    few: bool = False

    @property
    def choice(self) -> Choice | None:
        return self._chosen if self.few else None

    def _chosen(self, points: Sequence[Point]) -> list[Point]:
        label = MUTATIONS[self.mutation].label if self.mutation else ""
        return [point for point in one_of_each_kind(points) if label in ("", point.label)]


@pytest.fixture(scope="package")
def sandbox(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The vendors of all Tandems."""
    running = asyncio.run(open_sandbox(tmp_path_factory.mktemp("vendors"), kafka_bootstrap))
    yield running
    asyncio.run(running.stop())


@pytest.fixture(scope="package")
def sweeps(
    request: pytest.FixtureRequest, sandbox: Stack, tmp_path_factory: pytest.TempPathFactory
) -> dict[Asked, Outcome]:
    """The outcome of every scenario that a test of this run asks for."""
    asked = asked_of(request, "asked")
    return asyncio.run(_all(asked, sandbox, tmp_path_factory.mktemp("tandems")))


async def _all(asked: list[Asked], sandbox: Stack, home: Path) -> dict[Asked, Outcome]:
    outcomes = await asyncio.gather(
        *(_one(each, sandbox, home / str(number)) for number, each in enumerate(asked)),
        return_exceptions=True,
    )
    return dict(zip(asked, outcomes, strict=True))


async def _one(asked: Asked, sandbox: Stack, home: Path) -> Sweep:
    started, scenario = time.monotonic(), asked.scenario
    stack = Bred.beside(sandbox, home, asked.mutation, **scenario.settings)
    async with Tandem(stack, scenario.victim, webhooks=scenario.webhooks) as tandem:
        found = await sweep(scenario(tandem), asked.choice)
    found.seconds = time.monotonic() - started
    return found
