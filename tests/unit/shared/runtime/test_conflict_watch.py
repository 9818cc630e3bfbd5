"""A conflict looks again when who has its address changes, and only then."""

from __future__ import annotations

from typing import Any

import pytest
from shared.flows.runs import Run, RunError
from shared.linking.index import Entity, EntityIndex
from shared.runtime.conflict_watch import ConflictWatch

STRIPE, TOGAI = "stripe:test:acct_1", "togai:test:org_1"
CUSTOMER, ONE, TWO = f"{STRIPE}/customer/cus_1", f"{TOGAI}/account/one", f"{TOGAI}/account/two"
SAME, OTHER = "same@x.test", "other@x.test"


class World:
    """An index, a clock, and a run that waits; `woken` are the aggregates whose runs were woken."""

    def __init__(self) -> None:
        self.now, self.index, self.woken = 100.0, EntityIndex(), list[str]()
        self.watch = ConflictWatch(self.index, lambda: self.now)
        self.watch.on_news.append(self.woken.append)

    def shows(self, ref: str, email: str = SAME, **more: Any) -> None:
        """The pollers saw an entity."""
        before, entity = self.index.get(ref), Entity(ref=ref, email=email, **more)
        self.index.apply(entity)
        self.watch.entity(before, entity)

    def waits(self, *candidates: str, run: str = "run_1", aggregate: str = CUSTOMER) -> Run:
        """A run is parked in conflict; it began to look just now."""
        problem = RunError(error="Conflict", reason="several", candidates=list(candidates))
        made = Run(
            id=run, state="parked", event="e", event_type="t", aggregate=aggregate, connection="", started_at="",
            problem=problem,
        )  # fmt: skip
        self.watch.waits(made, self.now)
        return made


@pytest.fixture
def world() -> World:
    """One candidate is known and shown; the run waits for a decision about it."""
    made = World()
    made.shows(ONE)
    made.now += 1
    made.waits(ONE)
    assert made.woken == []
    return made


def test_a_further_candidate_wakes_it(world: World) -> None:
    """It has the same address; the poll brought it later."""
    world.shows(TWO)

    assert world.woken == [CUSTOMER]


def test_a_candidate_that_loses_the_address_wakes_it(world: World) -> None:
    """Changed, archived or deleted: what there is to choose from is another list, perhaps none."""
    world.shows(ONE, OTHER)
    world.now += 1
    world.waits(ONE)
    world.shows(ONE, OTHER, state="archived")

    assert world.woken == [CUSTOMER, CUSTOMER]


def test_what_concerns_no_candidate_wakes_nobody(world: World) -> None:
    """Another address, and a candidate that is seen again as it was."""
    world.shows(TWO, OTHER)
    world.shows(ONE, digest="another", seq=7)

    assert world.woken == []


def test_news_that_come_while_it_looks_are_not_missed(world: World) -> None:
    """They came after its check had begun and before it was parked."""
    began = world.now
    world.now += 5
    world.shows(TWO)
    run = world.waits(ONE)
    world.woken.clear()
    world.watch.waits(run, began)

    assert world.woken == [CUSTOMER]


def test_a_candidate_that_the_index_does_not_know_yet_is_waited_for(world: World) -> None:
    """It was linked a moment ago, and the pollers have not seen it."""
    world.waits(TWO, run="run_2", aggregate="b")
    world.shows(TWO, OTHER)

    assert world.woken == ["b"]


def test_who_ended_or_was_forgotten_is_not_notified(world: World) -> None:
    """A person decided; or the partition is another worker's."""
    run = world.waits(ONE)
    world.watch.ended(run)
    world.shows(TWO)
    world.waits(ONE)
    world.woken.clear()
    world.watch.forget()
    world.shows(f"{TOGAI}/account/three")

    assert world.woken == []


def test_several_runs_of_one_entity_wake_once(world: World) -> None:
    """The webhook's and the poll's: an aggregate is one queue."""
    world.waits(ONE, run="run_2")
    world.shows(TWO)

    assert world.woken == [CUSTOMER]
