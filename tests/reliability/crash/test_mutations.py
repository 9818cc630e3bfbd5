"""The crash points that the gate keeps catch a product that is broken: else they would prove nothing."""

from __future__ import annotations

import pytest

from tests.reliability.crash.conftest import Asked, Outcome
from tests.reliability.crash.mutations import MUTATIONS
from tests.reliability.crash.scenarios import MadeInTogai
from tests.reliability.crash.sweep import Sweep


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("asked", [pytest.param(Asked(MadeInTogai, name, few=True), id=name) for name in MUTATIONS])
def test_a_broken_promise_is_seen(asked: Asked, sweeps: dict[Asked, Outcome]) -> None:
    """Without a death the mutation does no harm: a death at the right place shows it."""
    found = sweeps[asked]
    assert isinstance(found, Sweep), found
    output = "; ".join(problem for death in found.deaths for problem in death.problems)

    assert found.unexplained == []
    assert found.deaths
    assert MUTATIONS[asked.mutation].seen in output
