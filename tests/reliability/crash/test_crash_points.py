"""A process dies before and after everything that it does to the outside: nothing is lost, and nothing happens twice.

No point is listed here: a recorded run finds them, and fails if the outside saw anything that it does not tell of.
"""

from __future__ import annotations

import pytest

from tests.reliability.crash.conftest import Asked, Outcome
from tests.reliability.crash.scenarios import INGRESS_SCENARIOS, WORKER_SCENARIOS, MadeInTogai
from tests.reliability.crash.sweep import Sweep

FEW = Asked(MadeInTogai, few=True)
WHOLE = pytest.mark.long("the gate keeps one point of each kind, of the flow that makes a customer")
SCENARIOS = [
    pytest.param(FEW, id="one point of each kind"),
    *(
        pytest.param(Asked(scenario), id=scenario.__name__, marks=WHOLE)
        for scenario in (*WORKER_SCENARIOS, *INGRESS_SCENARIOS)
    ),
]


def swept(sweeps: dict[Asked, Outcome], asked: Asked) -> Sweep:
    """A scenario's outcome. Raises what broke it off."""
    found = sweeps[asked]
    if isinstance(found, BaseException):
        raise found
    return found


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("asked", SCENARIOS)
def test_death_at_any_point_changes_nothing(
    asked: Asked, sweeps: dict[Asked, Outcome], subtests: pytest.Subtests
) -> None:
    """One object on each side with the right fields, one mapping, and an ended run for every event."""
    found = swept(sweeps, asked)

    assert found.unexplained == []
    for death in found.deaths:
        with subtests.test(msg=", then ".join(map(str, death.points))):
            assert death.problems == []
            assert death.reached or not death.steady
    assert found.at_the_end == []
    assert {death.points[0] for death in found.deaths} == set(found.points) != set()
