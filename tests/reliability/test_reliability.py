"""A fault run: events while everything breaks that can, and every invariant holds at the end."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import pytest

from tests.reliability.report import as_json, page, summary
from tests.reliability.run import Plan, perform

FEW, MANY = 60, 3000
SEED = 3
"""The gate's: what a change breaks shows in its own run."""


async def holds(seed: int, events: int, home: Path) -> None:
    """ScenarioRunner a run. A failure names the seed, what was broken, and where state and logs are."""
    result = await perform(Plan.of(seed, events), home)
    report = as_json(result, "2026-11-25")

    assert result.good, f"seed {seed}, state and logs in {home}\n{summary(report)}"
    assert json.loads(json.dumps(report)) == report
    assert f"SEED={seed} " in page(report)


@pytest.mark.timeout(600)
async def test_nothing_is_lost_and_nothing_is_doubled(tmp_path: Path, kafka_jars: None) -> None:
    """In a few events with every fault, the same each time."""
    await holds(SEED, FEW, tmp_path)


@pytest.mark.long("the gate plays 60 events of one seed")
@pytest.mark.timeout(2400)
async def test_nothing_is_lost_in_a_long_run(tmp_path: Path, kafka_jars: None) -> None:
    """In thousands of events, other ones each time: `SEED` tells the same story again."""
    await holds(int(os.environ.get("SEED") or secrets.randbelow(10**6)), MANY, tmp_path)
