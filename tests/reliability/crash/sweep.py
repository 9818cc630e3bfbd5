"""One scenario through all its crash points: a recorded run finds them, then the victim dies at each of them once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.reliability.crash.ledger import INPUTS
from tests.reliability.crash.points import Passing, Point
from tests.reliability.crash.scenarios import Scenario
from tests.reliability.crash.tandem import WORKER, Tandem
from tests.stack.processes import until

TRIES = 3
"""Acts to meet a point: which of two runs side by side comes first is not the same each time."""
LOOKS = 3
"""Looks of each poller after which everything that they do without a reason has been seen."""
SPARE = 6
"""Acts more than points: for those that are tried again."""
BROKEN = 3
"""Points after which nothing came to rest any more: what follows would only wait."""


@dataclass(frozen=True)
class Death:
    """What one crash point came to."""

    point: Point
    reached: bool
    problems: Sequence[str]
    seconds: float


@dataclass
class Sweep:
    """A scenario's outcome: what the recording does not explain, every death, and what is wrong at the very end."""

    points: list[Point] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    at_the_end: list[str] = field(default_factory=list)
    seconds: float = 0.0


async def sweep(scenario: Scenario, only: str = "") -> Sweep:
    """Record, die at every point (or at those of the label `only`), look at everything once more."""
    found = Sweep()
    await scenario.prepare(1)
    found.points, found.unexplained = await record(scenario)
    found.points = [point for point in found.points if only in ("", point.label)]
    await scenario.prepare(len(found.points) + SPARE)
    broken = 0
    for point in found.points:
        death = await die(scenario, point)
        found.deaths.append(death)
        broken += any("no rest" in problem for problem in death.problems)
        if broken >= BROKEN:
            found.at_the_end = [f"broken off: nothing came to rest {BROKEN} times"]
            return found
    world = await scenario.world()
    found.at_the_end = [
        *world.count_problems(len(scenario.pairs), scenario.alone),
        *await scenario.problems(scenario.pairs),
    ]
    return found


async def record(scenario: Scenario) -> tuple[list[Point], list[str]]:
    """One act without a death: the victim's points, and what the outside saw that no point tells of."""
    tandem = scenario.tandem
    standing = await _standing(tandem)
    _, mark = await tandem.calls(0)
    await tandem.ledger.read()
    before = len(tandem.ledger.records)
    tandem.person.calls_made.clear()
    plan = tandem.plan()
    pairs = await scenario.act()
    await scenario.rest(pairs)
    passed = tandem.passed(plan)
    tandem.plan()
    problems = await scenario.problems(pairs)
    calls, _ = await tandem.calls(mark)
    records = Counter(record.label for record in tandem.ledger.records[before:])
    seen = (calls - tandem.person.calls_made) + records
    if tandem.victim == WORKER:
        inputs = [record.topic for record in tandem.ledger.records[before:] if record.topic in INPUTS]
        seen.update(f"acknowledge {topic}" for topic in inputs)
    own = {p.point for p in passed if p.process == tandem.victim}
    points = sorted(p for p in own if p.number == 1 or p.label not in standing)
    return points, [*problems, *_unexplained({p.label for p in own} - standing, passed, seen)]


async def _standing(tandem: Tandem) -> set[str]:
    """Labels of what the victim does all the time, whatever happens: only the first of each is a point."""
    if tandem.victim == WORKER:
        return set()
    plan = tandem.plan()

    async def looked() -> bool:
        labels = Counter(p.point.label for p in tandem.passed(plan))
        return min(labels[f"send tandem.polls {kind}"] for kind in ("stripe-events", "togai-accounts")) > 2 * LOOKS

    await until(looked, "a few looks of the pollers")
    return {p.point.label for p in tandem.passed(plan)}


def _unexplained(ours: set[str], passed: Sequence[Passing], seen: Counter[str]) -> list[str]:
    """What the journals tell of must be what the outside saw: a call by another way than the wrapped ones shows."""
    told = Counter(p.point.label for p in passed if p.point.phase == "after")
    # What others alone do, pollers say, goes on all the time: begin and end of the recording cut it anywhere.
    return [
        f"{label}: seen {seen[label]} times outside, told {told[label]} times"
        for label in sorted({*told, *seen})
        if told[label] != seen[label] and (label in ours or label not in told)
    ]


async def die(scenario: Scenario, point: Point) -> Death:
    """Die at a point, live again, and look."""
    tandem, begun = scenario.tandem, time.monotonic()
    problems: list[str] = []
    reached = False
    for _ in range(TRIES):
        tandem.plan(point)
        pairs = await scenario.act()
        try:
            await scenario.rest(pairs, or_death=True)
            reached = await tandem.death()
            tandem.plan()
            if reached:
                tandem.revive()
                await scenario.rest(pairs)
        except AssertionError as error:
            problems.append(str(error))
            tandem.plan()
            if not tandem.life.alive:
                tandem.revive()
        problems += await scenario.problems(pairs)
        if reached or problems:
            break
    return Death(point, reached, problems, time.monotonic() - begun)
