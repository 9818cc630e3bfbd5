"""The checker is tested: for each invariant a product that breaks it is caught by it, in a small run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.chaos import Blow, Weather
from tests.reliability.checker.verdict import INVARIANTS
from tests.reliability.mutant import MUTATIONS
from tests.reliability.run import Part, Plan, perform

EVENTS = 60
CREATES = {"match": {"operation": "customers.create"}}
CAUGHT: dict[str, tuple[str, list[Weather], list[Blow]]] = {
    "drop_events": ("lost", [], []),
    "forget_keys": (
        "doubled",
        [Weather(0, EVENTS, "stripe", "error_after", {"times": 4, "stored": False} | CREATES)],
        [],
    ),
    "forget_phones": ("fields", [], []),
    "forget_ends": ("ended", [], []),
    "send_late": ("backwards", [], []),
    "answer_echoes": ("echo", [], []),
    "heed_no_refusal": ("limits", [Weather(10, EVENTS, "togai", "rate_limited", {"times": 4, "retry_after": 3})], []),
    "use_refused_keys": ("limits", [], [Blow(15, "revoke", "stripe", 6.0)]),
    "write_again": ("second pass", [], []),
    "forget_rows": ("sql", [], []),
}
"""By mutation: the invariant that catches it, and what must go wrong at the vendors for that."""


def test_every_invariant_has_a_mutation() -> None:
    """An invariant that no broken product was ever caught by may hold nothing."""
    assert {invariant for invariant, _, _ in CAUGHT.values()} == set(INVARIANTS)
    assert set(CAUGHT) == set(MUTATIONS)


@pytest.mark.parametrize("mutation", CAUGHT)
async def test_a_broken_product_is_caught(mutation: str, tmp_path: Path, kafka_bootstrap: str) -> None:
    """By the invariant that is there for it."""
    invariant, weather, blows = CAUGHT[mutation]
    part: Part = "second pass" if invariant == "second pass" else "sql" if invariant == "sql" else "rest"
    plan = Plan(
        5, EVENTS, rate=15, mutation=mutation, weather=weather, blows=blows, patience=30, person_patience=8, last=part,
    )  # fmt: skip
    result = await perform(plan, tmp_path, bootstrap=kafka_bootstrap)

    assert invariant in {broken.invariant for broken in result.broken}, result.broken
