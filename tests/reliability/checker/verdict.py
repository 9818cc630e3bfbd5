"""The invariants by name, and what holds each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.reliability.checker import calls, runs
from tests.reliability.checker.broken import Broken
from tests.reliability.checker.facts import Facts
from tests.reliability.checker.laws import Laws

AT_REST = ("lost", "doubled", "fields", "ended", "backwards", "echo", "limits")
"""Held as soon as everything is quiet. `second pass` and `sql` are tried after that."""
INVARIANTS: Mapping[str, str] = {
    "lost": "nothing that people made or changed is lost, no event is given up on",
    "doubled": "nothing is there twice, and nothing that nobody asked for",
    "fields": "no wrong field: the owner's values on both sides, a person's own value shown as different",
    "ended": "every event has a terminal run or a recorded skip, or waits for a person",
    "backwards": "no effect takes an entity back to an older state, and a late one was mended by the next comparison",
    "echo": "nothing that Tandem made begets anything, nothing is written back to its owner",
    "limits": "no call after a 429 or a 401 forbade it",
    "second pass": "a second full pass over everything writes nothing",
    "sql": "the console's tables, folded again from the log, are the same",
}


def at_rest(facts: Facts, domains: Sequence[Laws]) -> list[Broken]:
    """Everything that is broken now: by the laws that hold for all, then by those of each domain."""
    waiting = frozenset[str]().union(*(domain.waiting for domain in domains))
    common = {"lost": runs.lost(facts), "ended": runs.ended(facts, waiting), "limits": calls.limits(facts)}
    found = [
        one for laws in (common, *(domain.broken for domain in domains)) for broken in laws.values() for one in broken
    ]
    return sorted(found, key=lambda one: AT_REST.index(one.invariant))
