"""One scenario through all its crash points: a recorded run finds them, then the victim dies at each of them once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.reliability.crash.ledger import INPUTS
from tests.reliability.crash.points import Passing
from tests.reliability.crash.scenarios import Scenario
from tests.reliability.crash.tandem import PATIENCE, WORKER, Tandem
from tests.reliability.crash.world import Pair
from tests.stack.points import Point
from tests.stack.processes import until

TRIES = 3
"""Acts to meet a point: which of two runs side by side comes first is not the same each time."""
RECORDINGS = 2
"""A point that only one of them shows depends on time: it is tried, and may be missed."""
LOOKS = 3
"""Looks of each poller after which everything that they do without a reason has been seen."""
SCHEDULES = "togai-schedules"
SPARE = 16
"""Acts more than points: for those that are tried again, and for second deaths."""
SETTLED_WITHIN = 5.0
"""Seconds for the journals and the outside to tell the same."""
BROKEN = 3
"""Points after which nothing came to rest any more: what follows would only wait."""


Choice = Callable[[Sequence[Point]], list[Point]]
"""The points to die at, of all that the recordings have shown."""


@dataclass(frozen=True)
class Death:
    """What one crash point came to; `points` has a second one where the next life died too.

    - `steady` tells the first point of a label that every recording has shown: it must be met.
    """

    points: tuple[Point, ...]
    steady: bool
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


async def sweep(scenario: Scenario, choose: Choice | None = None) -> Sweep:
    """Record, die at every point (or at the chosen ones, and then never twice), look at everything once more."""
    found = Sweep()
    await scenario.prepare(RECORDINGS)
    recordings = [await record(scenario) for _ in range(RECORDINGS)]
    found.unexplained = [problem for _, problems in recordings for problem in problems]
    # How often it does one thing may depend on how looks and events fall together: that it does it may not.
    steady = {point for point in set.intersection(*(points for points, _ in recordings)) if point.number == 1}
    found.points = sorted(set.union(*(points for points, _ in recordings)))
    if choose:
        found.points = choose(found.points)
    await scenario.prepare(len(found.points) + SPARE)
    recorded = {point.label for point in found.points}
    second: dict[Point, Point] = {}
    for point in found.points:
        await _stock_up(scenario)
        death, passed = await die(scenario, [point], steady=point in steady)
        found.deaths.append(death)
        new = {p: point for p in passed if p.label not in recorded and p.number == 1}
        second |= {} if choose else new
        if _broken(found):
            return found
    for again, point in sorted(second.items()):
        # What only a second life does, a read of what the first one left say, is a crash point as well.
        await _stock_up(scenario)
        found.deaths.append((await die(scenario, [point, again], steady=False))[0])
        if _broken(found):
            return found
    problems = await scenario.rest(scenario.pairs)
    world = await scenario.world()
    found.at_the_end = [*problems, *world.count_problems(len(scenario.pairs), scenario.alone)]
    return found


def _broken(found: Sweep) -> bool:
    restless = [death for death in found.deaths if any("no rest" in problem for problem in death.problems)]
    found.at_the_end = [f"broken off: nothing came to rest {BROKEN} times"]
    return len(restless) >= BROKEN


async def record(scenario: Scenario) -> tuple[set[Point], list[str]]:
    """One act without a death: the victim's points, and what the outside saw that no point tells of."""
    tandem = scenario.tandem
    standing = await _standing(tandem)
    # What a poller does between these marks is seen outside, and no journal tells of it: the long read comes first.
    await tandem.ledger.read()
    _, mark = await tandem.calls(0)
    await tandem.ledger.read()
    before = len(tandem.ledger.records)
    tandem.person.calls_made.clear()
    tandem.plan()
    pairs = await scenario.act()
    # A broken product acknowledges what it still works on: that all is acknowledged tells nothing. Nobody dies here.
    problems = await scenario.rest(pairs, grace=PATIENCE)
    unexplained, own = ["nothing was compared"], set[Point]()

    async def explained() -> bool:
        # A poller may write between the reads of the journals and of the topics: then the next read tells.
        nonlocal unexplained, own
        passed = tandem.passed()
        own = {p.point for p in passed if p.process == tandem.victim}
        seen = await _outside(tandem, mark, before)
        unexplained = unexplained_calls(
            {p.label for p in own} - standing, passed, seen, standing | tandem.done_by_others()
        )
        return not unexplained

    with suppress(AssertionError):
        await until(explained, "what the journals tell of seen outside", SETTLED_WITHIN, every=0.2)
    tandem.plan()
    return {p for p in own if p.number == 1 or p.label not in standing}, [*problems, *unexplained]


async def _outside(tandem: Tandem, mark: int, before: int) -> Counter[str]:
    """What the sandbox's call log, the topics and the acknowledgements show since a recording began."""
    await tandem.ledger.read()
    calls, _ = await tandem.calls(mark)
    records = tandem.ledger.records[before:]
    seen = (calls - tandem.person.calls_made) + Counter(record.label for record in records)
    if tandem.victim == WORKER:
        seen.update(f"acknowledge {record.topic}" for record in records if record.topic in INPUTS)
    return seen


async def _standing(tandem: Tandem) -> set[str]:
    """Labels of what the victim does all the time, whatever happens: only the first of each is a point."""
    if tandem.victim == WORKER:
        return set()
    tandem.plan()

    async def compared() -> bool:
        labels = Counter(p.point.label for p in tandem.passed())
        polls = {kind: labels[f"send tandem.polls {kind}"] for kind in ("stripe-events", "togai-accounts", SCHEDULES)}
        # One pass over the schedules makes a call for each account: one that is seen in part is not explained.
        return polls.pop(SCHEDULES) > 1 and min(polls.values()) > 2 * LOOKS

    await until(compared, "a few polls")
    return {p.point.label for p in tandem.passed()}


def unexplained_calls(ours: set[str], passed: Sequence[Passing], seen: Counter[str], others: set[str]) -> list[str]:
    """What the journals tell of must be what the outside saw: a call by another way than the wrapped ones shows."""
    reported = Counter(p.point.label for p in passed if p.point.phase == "after")
    # What others alone do, pollers say, goes on all the time: begin and end of the recording cut it anywhere, so that
    # a poller's only call may have begun before the recording and be seen in it.
    return [
        f"{label}: seen {seen[label]} times outside, reported {reported[label]} times"
        for label in sorted({*reported, *seen})
        if reported[label] != seen[label] and (label in ours or label not in others)
    ]


async def _stock_up(scenario: Scenario) -> None:
    """An act may use up a pair, and dying may take several acts."""
    if len(scenario.ready) < TRIES:
        await scenario.prepare(SPARE)


async def die(scenario: Scenario, points: Sequence[Point], *, steady: bool) -> tuple[Death, set[Point]]:
    """Die at a point, and if there is a second one at that in the next life; live again, and look.

    Returns what the victim passed in its last life, too.
    """
    tandem, started = scenario.tandem, time.monotonic()
    problems: list[str] = []
    reached, passed = False, set[Point]()
    for _ in range(TRIES):
        tandem.plan(points[0])
        pairs = await scenario.act()
        try:
            reached = await _death(scenario, pairs)
            for point in points[1:] if reached else ():
                tandem.plan(point)
                tandem.revive()
                reached = await _death(scenario, pairs)
            tandem.plan()
            if not tandem.life.alive:
                tandem.revive()
            problems += await scenario.rest(pairs)
        except AssertionError as error:
            problems.append(str(error))
            tandem.plan()
            if not tandem.life.alive:
                tandem.revive()
        passed = {p.point for p in tandem.passed() if p.process == tandem.victim}
        if reached or problems:
            break
    return Death(tuple(points), steady, reached, problems, time.monotonic() - started), passed


async def _death(scenario: Scenario, pairs: list[Pair]) -> bool:
    await scenario.rest(pairs, or_death=True, grace=PATIENCE)
    return await scenario.tandem.death()
