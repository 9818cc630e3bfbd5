"""Every asked-for scenario is swept side by side, once: a life waits more than it works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.asking import asked_of
from tests.reliability.crash.life import Nursery
from tests.reliability.crash.mutations import MUTATIONS
from tests.reliability.crash.scenarios import Scenario
from tests.reliability.crash.sweep import Sweep, sweep
from tests.reliability.crash.tandem import Bred, Tandem, open_sandbox
from tests.stack.processes import Stack

Asked = tuple[type[Scenario], str]
"""A scenario and the mutation of the product, empty for none."""
Outcome = Sweep | BaseException


@pytest.fixture(scope="package")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Where lives come from."""
    running = asyncio.run(Nursery.open(tmp_path_factory.mktemp("nursery")))
    yield running
    asyncio.run(running.close())


@pytest.fixture(scope="package")
def sandbox(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The vendors of all Tandems."""
    running = asyncio.run(open_sandbox(tmp_path_factory.mktemp("vendors"), kafka_bootstrap))
    yield running
    asyncio.run(running.stop())


@pytest.fixture(scope="package")
def sweeps(
    request: pytest.FixtureRequest, sandbox: Stack, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> dict[Asked, Outcome]:
    """The outcome of every scenario that a test of this run asks for."""
    asked = asked_of(request, "asked")
    return asyncio.run(_all(asked, sandbox, nursery, tmp_path_factory.mktemp("tandems")))


async def _all(asked: list[Asked], sandbox: Stack, nursery: Nursery, home: Path) -> dict[Asked, Outcome]:
    outcomes = await asyncio.gather(
        *(_one(*each, sandbox, nursery, home / str(number)) for number, each in enumerate(asked)),
        return_exceptions=True,
    )
    return dict(zip(asked, outcomes, strict=True))


async def _one(scenario: type[Scenario], mutation: str, sandbox: Stack, nursery: Nursery, home: Path) -> Sweep:
    begun = time.monotonic()
    stack = Bred.beside(sandbox, nursery, home, mutation, **scenario.settings)
    async with Tandem(stack, scenario.victim, webhooks=scenario.webhooks) as tandem:
        found = await sweep(scenario(tandem), MUTATIONS[mutation].label if mutation else "")
    found.seconds = time.monotonic() - begun
    return found
