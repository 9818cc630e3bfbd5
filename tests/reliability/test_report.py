"""What came of a run, written for people and for machines."""

from __future__ import annotations

import json
from collections import Counter

from tests.reliability.checker.broken import Broken
from tests.reliability.checker.verdict import INVARIANTS
from tests.reliability.report import as_json, page, summary
from tests.reliability.run import Plan, Result


def report(*broken: Broken) -> dict[str, object]:
    """Of a small run."""
    result = Result(
        Plan(7, 500), list(broken), {"story": 60.0, "all": 120.04}, Counter({"stripe: html": 3}), Counter({"scale": 2})
    )
    result.counts["events"] = 500
    return as_json(result, "2026-11-25")


def test_a_good_run() -> None:
    """Every invariant is named and holds; machines read the same."""
    found = report()

    assert found["good"]
    assert summary(found).splitlines()[0] == "500 events, 3 faults at the vendors, 2 faults of processes, 120 s"
    assert summary(found).count("holds") == len(INVARIANTS)
    assert json.loads(json.dumps(found)) == found


def test_a_broken_invariant_is_reported_with_the_way_back() -> None:
    """Seed, invariant, entity, and what is wrong with it."""
    text = summary(report(Broken("doubled", "acct-1", "2 customers in Stripe")))

    assert "doubled      BROKEN 1 times" in text
    assert "BROKEN doubled: acct-1: 2 customers in Stripe" in text
    assert text.endswith("the same again: make reliability SEED=7 EVENTS=500")


def test_the_page_has_seed_faults_invariants_and_duration() -> None:
    """What a reader needs to tell the same story again."""
    text = page(report())

    assert "seed 7, 500 events, 2026-11-25, 2 minutes" in text
    assert "| stripe: html | 3 |" in text
    assert all(f"| {name} | {means} | 0 |" in text for name, means in INVARIANTS.items())
