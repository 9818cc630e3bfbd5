"""Plans and invoices: a worker dies at, or a vendor fails, whatever a scenario does, and the end is the same.

No point and no call is listed: a life without any of it finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from tests.contract.sandbox.tools import Control
from tests.reliability.sweep.conftest import Recorded
from tests.reliability.sweep.ends import differences
from tests.reliability.sweep.lives import (
    DAY,
    FAULTS,
    Breaking,
    Life,
    calls,
    day_long,
    deaths,
    faults,
    first_of_each,
    lived,
)
from tests.reliability.sweep.scenarios import SCENARIOS
from tests.stack.points import Point

WHOLE = pytest.mark.long(
    "the gate dies after the first of each kind of point, and fails the first of each kind of call"
)
IN_GATE = ("500 after, replayed", "no answer, done")
"""That what was done is not done again is what the gate holds."""


async def check_each(
    control: Control, name: str, right: Life, points: Sequence[Point], breaking: Callable[[Sequence[Point]], Breaking]
) -> None:
    """The end is the same, whatever broke. What is broken at one point can lead round another one, which is tried in a
    further life then.
    """
    left = list(points)
    while left:
        life = await lived(control, SCENARIOS[name], breaking(left))
        left = [point for point in left if point not in life.hit]

        assert differences(life.end, right.end) == {}
        assert life.hit


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_scenario_comes_to_its_end(name: str, recorded: Recorded) -> None:
    """Nothing waits, nothing was given up: each end is compared with this one."""
    right = await recorded(name)

    assert (right.end["letters"], right.end["open runs"]) == ([], [])


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_death_at_each_kind_of_point(name: str, control: Control, recorded: Recorded) -> None:
    """One life after the other, each as far as the next kind of call or record."""
    right = await recorded(name)

    await check_each(control, name, right, first_of_each(right.points, "after"), deaths)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_fault_of_each_kind_of_call(name: str, control: Control, recorded: Recorded) -> None:
    """The first call of each operation fails, by one kind after the other."""
    right = await recorded(name)

    points = [point for point in calls(right.points, IN_GATE) if point.number == 1]
    await check_each(control, name, right, points, partial(faults, IN_GATE))


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_day_after_each_kind_of_call(name: str, control: Control, recorded: Recorded) -> None:
    """Done, its answer unknown, and no key is known any more: nothing is made, posted or mailed again."""
    right = await recorded(name)

    points = [point for point in day_long(right.points) if point.number == 1]
    await check_each(control, name, right, points, partial(deaths, dead_for=DAY))


@WHOLE
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_day_after_any_call(name: str, control: Control, recorded: Recorded, subtests: pytest.Subtests) -> None:
    """Once, whichever it is."""
    right = await recorded(name)
    for point in day_long(right.points):
        with subtests.test(msg=str(point)):
            life = await lived(control, SCENARIOS[name], deaths([point], DAY))
            assert (differences(life.end, right.end), life.hit) == ({}, [point])


@WHOLE
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_death_at_any_point(name: str, control: Control, recorded: Recorded, subtests: pytest.Subtests) -> None:
    """Once, wherever it is."""
    right = await recorded(name)
    for point in right.points:
        with subtests.test(msg=str(point)):
            life = await lived(control, SCENARIOS[name], deaths([point]))
            assert (differences(life.end, right.end), life.hit) == ({}, [point])


@WHOLE
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_fault_of_any_call(
    name: str, kind: str, control: Control, recorded: Recorded, subtests: pytest.Subtests
) -> None:
    """Once, whichever it is."""
    right = await recorded(name)
    for point in calls(right.points, [kind]):
        with subtests.test(msg=str(point)):
            life = await lived(control, SCENARIOS[name], faults([kind], [point]))
            assert (differences(life.end, right.end), life.hit) == ({}, [point])
