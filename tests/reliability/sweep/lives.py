"""A scenario lived once as it should be, and again with deaths or faults at points that the first run passed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from tests.contract.sandbox.tools import Control
from tests.reliability.sweep.ends import End, end_of
from tests.reliability.sweep.scenarios import Scenario
from tests.reliability.sweep.world import World, opened
from tests.stack.points import Died, Point

FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "rate_limited"},
    "500 before": {"kind": "error_before", "stored": False},
    "500 before, replayed": {"kind": "error_before"},
    "500 after, replayed": {"kind": "error_after"},
    "no answer, not done": {"kind": "cut_before"},
    "no answer, done": {"kind": "cut_after"},
    "no JSON": {"kind": "html"},
}
"""How a call fails. A replayed error is what Stripe stores under the idempotency key and gives again."""


DAY = 25 * 3600
"""Seconds after which Stripe has forgotten a call's key."""
OF_A_PERSON = frozenset({("call stripe tax_transactions.create", "500 after, replayed")})
"""Calls and faults that no retry mends: Stripe lists no tax transactions, so one whose answer is lost waits for a
person (tests/integration/invoices/test_taxes.py).
"""
NOT_A_DAY_LATER = frozenset({"call stripe tax_transactions.create", "call stripe checkout.create"})
"""After a day the first waits for a person too, and the page of a checkout has expired: there is a second one, rightly.
"""


@dataclass
class Life:
    """What a scenario passed, and what stands at its end. `hit` are the points at which something broke."""

    points: list[Point] = field(default_factory=list)
    end: End = field(default_factory=dict)
    hit: list[Point] = field(default_factory=list)


Breaking = Callable[[World, Life], Callable[[Point], None]]
"""What happens at each point of a life."""


def deaths(points: Iterable[Point], dead_for: int = 0) -> Breaking:
    """The worker dies at each of these points, in whichever life; another takes its place after so many seconds."""
    left = set(points)

    def begin(world: World, life: Life) -> Callable[[Point], None]:
        world.tandem.dead_for = dead_for

        def at(point: Point) -> None:
            if point in left:
                left.discard(point)
                life.hit.append(point)
                raise Died

        return at

    return begin


def faults(kinds: Sequence[str], points: Sequence[Point]) -> Breaking:
    """The vendor fails the call that follows each of these points, by one kind after the other."""
    turns = cycle(kinds)
    left = {point: next(kind for kind in turns if (point.label, kind) not in OF_A_PERSON) for point in points}

    def begin(world: World, life: Life) -> Callable[[Point], None]:
        def at(point: Point) -> None:
            if kind := left.pop(point, None):
                life.hit.append(point)
                app = point.label.split()[1]
                rule = {"app": app, "match": {"account": world.tandem.accounts[app]["id"]}, "times": 1}
                world.tandem.control.call("POST", "/faults", rule | FAULTS[kind])

        return at

    return begin


@contextmanager
def no_faults_left(control: Control) -> Iterator[None]:
    try:
        yield
    finally:
        control.call("DELETE", "/faults")


async def lived(
    control: Control,
    scenario: Scenario,
    breaking: Breaking = lambda world, life: lambda point: None,
) -> Life:
    """Act a scenario to its end."""
    life = Life()
    with no_faults_left(control):
        async with opened(control) as world:
            world.tandem.points.at = breaking(world, life)
            await scenario(world)
            life.points, life.end = world.tandem.points.passed, end_of(world)
    return life


def first_of_each(points: Sequence[Point], phase: str) -> list[Point]:
    """Of every kind of operation the first, before or after it."""
    return [point for point in points if point.number == 1 and point.phase == phase]


def day_long(points: Sequence[Point]) -> list[Point]:
    """After each call to a vendor that is sent again a day later with the same end."""
    found = [point for point in points if point.phase == "after" and point.label.startswith("call ")]
    return [point for point in found if point.label not in NOT_A_DAY_LATER]


def calls(points: Sequence[Point], kinds: Iterable[str]) -> list[Point]:
    """Before each call to a vendor that can fail by one of some kinds, and go on by itself."""
    found = [point for point in points if point.phase == "before" and point.label.startswith("call ")]
    return [point for point in found if any((point.label, kind) not in OF_A_PERSON for kind in kinds)]
