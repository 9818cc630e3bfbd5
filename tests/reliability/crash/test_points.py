"""The journal, read while others write it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.reliability.crash.points import Passing, Plan, Points, end_of, one_of_each_kind, passings
from tests.stack.points import Point


def test_a_line_that_is_just_being_written_is_none_yet(tmp_path: Path) -> None:
    """What is there of it is no point that was passed, and the next reader begins with the whole line."""
    journal, plan = tmp_path / "journal", tmp_path / "plan.json"
    Plan(1).write(plan)
    points = Points("worker", plan, journal)
    operation = points.begin("send runs")
    whole = journal.read_bytes()
    points.end(operation)
    line = journal.read_bytes()[len(whole) :]
    os.truncate(journal, len(whole) + 11)
    started = end_of(journal)
    present = passings(journal)
    os.truncate(journal, len(whole))
    with journal.open("ab") as file:
        file.write(line)

    assert present == [Passing(1, "worker", Point("send runs", 1, "before"))]
    assert started == len(whole)
    assert passings(journal, started) == [Passing(1, "worker", Point("send runs", 1, "after"))]


def test_a_journal_that_nobody_has_written_is_empty(tmp_path: Path) -> None:
    """Its first line begins it."""
    assert end_of(tmp_path / "journal") == 0
    assert passings(tmp_path / "journal") == []


def test_one_point_of_each_kind() -> None:
    """One call of each method to each vendor, one record on each topic, one acknowledgement: before and after it."""
    labels = [
        "acknowledge customer.events",
        "call GET /togai/accounts/{}",
        "call GET /togai/settings/{}",
        "call POST /stripe/v1/customers",
        "call POST /togai/settings",
        "send tandem.mappings claimed",
        "send tandem.mappings linked",
        "transaction",
    ]
    points = [Point(label, n, phase) for label in labels for n in (1, 2) for phase in ("before", "after")]
    taken = [label for label in labels if label not in ("call GET /togai/accounts/{}", "send tandem.mappings claimed")]

    assert sorted(one_of_each_kind(points)) == sorted(
        Point(t, 1, phase) for t in taken for phase in ("before", "after")
    )
