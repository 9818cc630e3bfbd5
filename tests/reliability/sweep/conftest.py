"""One sandbox for the folder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from shared.runtime import creating

from tests.contract.sandbox.conftest import control as control
from tests.contract.sandbox.conftest import process as process
from tests.contract.sandbox.tools import Control
from tests.reliability.sweep.lives import Life, lived
from tests.reliability.sweep.scenarios import SCENARIOS

Recorded = Callable[[str], Awaitable[Life]]


@pytest.fixture(autouse=True)
def no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a call that may be under way holds up is looked at again at once: none is."""
    monkeypatch.setattr(creating, "LEASE", 0.0)


@pytest.fixture(scope="session")
def recorded(control: Control) -> Recorded:
    """Scenarios as they should be: each is lived once without deaths and faults."""
    known: dict[str, Life] = {}

    async def life(name: str) -> Life:
        if name not in known:
            known[name] = await lived(control, SCENARIOS[name])
        return known[name]

    return life
