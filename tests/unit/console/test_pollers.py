"""What is said of pollers that are late."""

from __future__ import annotations

from typing import Any

import pytest
from console.api.pollers import PollerItem, Pollers, ReadsItem, problems

DAY = 86400.0
REMEDY = "see the log of ingress and `tandem connections list`"


def poller(**fields: Any) -> PollerItem:
    return PollerItem(**({"app_account": "stripe:live:acct_1", "kind": "stripe-events"} | fields))


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (poller(level="alarm", gap_seconds=28 * DAY), "stripe-events of stripe:live:acct_1: not read for 28 days"),
        (poller(level="alarm", problem="401: mend the key"), "stripe-events of stripe:live:acct_1: 401: mend the key"),
        (poller(level="alarm"), "stripe-events of stripe:live:acct_1: it is not read as it should be"),
    ],
)
def test_each_late_list_is_a_sentence(item: PollerItem, says: str) -> None:
    """Ingress's own words if it has any, else for how long."""
    assert problems(Pollers(items=[poller(), item]), "alarm") == [f"{says}; {REMEDY}"]


def test_levels_are_kept_apart() -> None:
    """A warning is no alarm, and where nobody can be asked nothing is said."""
    found = Pollers(items=[poller(level="warning"), poller(level="ok")])

    assert problems(found, "alarm") == []
    assert len(problems(found, "warning")) == 1
    assert problems(None, "alarm", "warning") == []


def test_that_nothing_is_read_at_all_is_reported() -> None:
    """Kafka away, or no leader: in the words of ingress."""
    found = Pollers(problem="Kafka does not answer")

    assert problems(found, "warning") == ["pollers: Kafka does not answer"]
    assert problems(found, "alarm") == []


def test_that_few_reads_are_left_is_reported() -> None:
    """Before all are used, with what is done about it."""
    many, few = ReadsItem(app_account="stripe:live:acct_1", used=7999, allowed=10000), "stripe:live:acct_2"

    assert problems(Pollers(reads=[many]), "warning") == []
    [said] = problems(Pollers(reads=[many, ReadsItem(app_account=few, used=8000, allowed=10000)]), "warning")
    assert said.startswith("stripe:live:acct_2 was read 8,000 times in 30 days of 10,000")
