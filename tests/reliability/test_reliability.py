"""A small fault run: five hundred events while everything breaks that can, and every invariant holds at the end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.reliability.report import as_json, page, summary
from tests.reliability.run import Plan, perform

EVENTS = 500
STORY = 3
"""A fixed seed: what a change breaks shows in its own run. `make reliability` tells a new story each time."""


@pytest.mark.timeout(1500)
async def test_nothing_is_lost_and_nothing_is_doubled(tmp_path: Path, kafka_jars: None) -> None:
    """The same story each time, or that of SEED; a failure names it, what was broken, and where state and logs are."""
    seed = int(os.environ.get("SEED") or STORY)
    result = await perform(Plan.of(seed, EVENTS), tmp_path)
    report = as_json(result, "2026-11-25")

    assert result.good, f"seed {seed}, state and logs in {tmp_path}\n{summary(report)}"
    assert json.loads(json.dumps(report)) == report
    assert f"SEED={seed} " in page(report)
