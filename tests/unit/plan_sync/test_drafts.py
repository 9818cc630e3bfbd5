"""Drafts of an account's schedules: which are ours, and what an attached plan must leave as it was."""

from __future__ import annotations

from typing import Any

import pytest
from plan_sync.decide import cards_of_version, is_own_draft, missing_after, spans_of

Json = dict[str, Any]
FOREVER = "9999-01-01"
DAYS = ("2026-12-01", "2026-12-02")


def row(plan: str, start: str, end: str = FOREVER, version: int = 1) -> Json:
    """A schedule as the second API shows it."""
    return {"id": f"sch.{plan}.{start}", "pricePlanId": plan, "version": version,
            "startDate": f"{start}T00:00:00Z", "endDate": f"{end}T00:00:00Z"}  # fmt: skip


PAST, OLD, OURS = row("a", "2026-01-01", "2026-06-01"), row("b", "2026-06-01"), row("x", "2026-12-01")
CUT = row("b", "2026-06-01", "2026-12-01")
CASES: dict[str, tuple[list[Json], list[Json], bool]] = {
    "the plan alone": ([], [OURS], True),
    "from the next day on": ([], [row("x", "2026-12-02")], True),
    "beside what has ended, all shown": ([PAST], [PAST, OURS], True),
    "beside what has ended, the change shown": ([PAST], [OURS], True),
    "another one gives way, all shown": ([PAST, OLD], [PAST, CUT, OURS], True),
    "another one gives way, the change shown": ([PAST, OLD], [CUT, OURS], True),
    "one that begins later gives way": ([row("b", "2027-01-01")], [OURS], True),
    "no draft": ([PAST], [], False),
    "what stands there already": ([OURS], [OURS], False),
    "another plan": ([], [row("y", "2026-12-01")], False),
    "another day": ([], [row("x", "2026-12-03")], False),
    "an end": ([], [row("x", "2026-12-01", "2027-01-01")], False),
    "one plan more": ([], [OURS, row("y", "2026-11-01", "2026-12-01")], False),
    "the past is taken away": ([PAST, OLD], [CUT, OURS, row("a", "2026-01-01", "2026-05-01")], False),
    "a part of all": ([PAST, row("c", "2025-01-01", "2026-01-01")], [PAST, OURS], False),
    "the other one keeps its place": ([OLD], [OLD, OURS], False),
    "another version of what stands there": ([PAST], [row("a", "2026-01-01", "2026-06-01", 2), OURS], False),
    "twice": ([], [OURS, row("x", "2026-12-02")], False),
}


@pytest.mark.parametrize("name", CASES)
def test_our_own_draft_is_known_by_its_content(name: str) -> None:
    """The plan from a wanted day on and nothing else that is new, whether Togai shows all of a draft or its changes."""
    active, draft, own = CASES[name]

    assert is_own_draft(spans_of(active), spans_of(draft), "x", DAYS) is own


LOST: dict[str, tuple[list[Json], list[Json], list[str]]] = {
    "nothing": ([PAST, OLD], [PAST, CUT, OURS], []),
    "what gave way": ([row("b", "2027-01-01")], [OURS], []),
    "what was added": ([], [PAST, OURS], []),
    "an earlier one": ([PAST], [OURS], ["version 1 of price plan a from 2026-01-01 until 2026-06-01"]),
    "another end": ([OLD], [row("b", "2026-06-01", "2026-11-01"), OURS],
                    ["version 1 of price plan b from 2026-06-01 until 2026-12-01"]),
    "another version": ([OLD], [row("b", "2026-06-01", "2026-12-01", 2), OURS],
                        ["version 1 of price plan b from 2026-06-01 until 2026-12-01"]),
    "all of it, but the plan is not there": ([PAST], [], []),
}  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_what_is_missing_beside_an_attached_plan_is_named(name: str) -> None:
    """What stood there before its first day, each with plan, version and days."""
    before, after, expected = LOST[name]

    assert missing_after(spans_of(before), spans_of(after), "x") == expected


def test_rate_cards_of_another_version_are_left() -> None:
    """The reference tells them apart."""
    cards = [{"name": "fee", "referenceId": "ppv.1"}, {"name": "fee", "referenceId": "ppv.2"}]

    assert cards_of_version(cards, {"id": "pp.1", "referenceId": "ppv.1"}) == cards[:1]
