"""The invariants by name, and what holds each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tests.reliability.checker import calls, order, pairs, runs
from tests.reliability.checker.facts import Facts
from tests.reliability.checker.pairs import Broken

AT_REST: Mapping[str, Callable[[Facts], Iterable[Broken]]] = {
    "lost": pairs.lost,
    "doubled": pairs.doubled,
    "fields": pairs.fields,
    "ended": runs.ended,
    "backwards": order.backwards,
    "echo": pairs.echo,
    "limits": calls.limits,
}
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


def at_rest(facts: Facts) -> list[Broken]:
    """Everything that is broken now."""
    return [broken for check in AT_REST.values() for broken in check(facts)]
