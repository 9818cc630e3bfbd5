"""Every event has an end that somebody can read: a terminal run, or a run that waits for a person. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Set
from typing import Any

from tests.reliability.checker.broken import Broken
from tests.reliability.checker.facts import Facts

Json = dict[str, Any]
HANDED_OVER = "tandem.run.handed_over"
WAITS_FOR_PEOPLE = ("Waiting", "WaitingUntold", "Conflict")
TERMINAL = {"succeeded", "in_sync", "skipped", "superseded", "missed", "dead", "discarded"}


def lost(facts: Facts) -> Iterator[Broken]:
    """Every event of a vendor is in the log, and no event is given up on."""
    known = {event.value["id"] for event in facts.events}
    for event in facts.stripe_events:
        if event["id"] not in known:
            yield Broken(
                "lost", str(event["id"]), f"{event['type']} of {event['data']['object']['id']} is not in the log"
            )
    for letter in facts.letters.values():
        if letter["state"] == "open":
            yield Broken("lost", str(letter.get("aggregate")), f"given up on: {letter['problem']['reason']}")


def ended(facts: Facts, waiting: Set[str]) -> Iterator[Broken]:
    """Each event of the log has a run; each run has ended, or its entity is one of those that must wait."""
    by_event: dict[str, list[Json]] = defaultdict(list)
    for run in facts.runs.values():
        by_event[run["event"]].append(run)
    reported: set[str] = set()
    for event in (event for event in facts.events if event.noun):
        name = str(event.value["id"])
        # A run that goes on in another service is that of the first event: whether it ended is looked at below.
        if event.value["type"] == HANDED_OVER and event.value["cause"] in facts.runs:
            continue
        if name not in by_event and name not in reported:
            reported.add(name)
            yield Broken("ended", event.key, f"event {name} ({event.value['type']}) has no run and no recorded skip")
    for run in facts.runs.values():
        entity = run["aggregate"].rpartition("/")[2]
        if run["state"] in TERMINAL or (waits_for_people(run) and entity in waiting):
            continue
        yield Broken("ended", entity, f"{run['event_type']} is {run['state']}: {run.get('reason') or 'no reason'}")


def waits_for_people(run: Json) -> bool:
    """Whether only a person, or an address that a person gives, lets a run end. It looks again whenever there may be
    news of it, also once after its partition got another worker, and waits while it does.
    """
    return run["state"] in ("parked", "running") and (run.get("problem") or {}).get("error") in WAITS_FOR_PEOPLE
