"""Every event has an end that somebody can read: a terminal run, or a run that waits for a person. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.reliability.checker.facts import Facts
from tests.reliability.checker.pairs import Broken

Json = dict[str, Any]
TERMINAL = {"succeeded", "in_sync", "skipped", "superseded", "missed", "dead", "discarded"}


def ended(facts: Facts) -> Iterator[Broken]:
    """Each event of the log has a run; each run has ended, or waits as the model says that it must."""
    by_event: dict[str, list[Json]] = defaultdict(list)
    for run in facts.runs.values():
        by_event[run["event"]].append(run)
    reported: set[str] = set()
    for event in facts.events:
        name = str(event.value["id"])
        if name not in by_event and name not in reported:
            reported.add(name)
            yield Broken("ended", event.key, f"event {name} ({event.value['type']}) has no run and no recorded skip")
    waiting = _waiting(facts)
    for run in facts.runs.values():
        entity = run["aggregate"].rpartition("/")[2]
        if run["state"] in TERMINAL or (_is_parked(run) and entity in waiting):
            continue
        yield Broken("ended", entity, f"{run['event_type']} is {run['state']}: {run.get('reason') or 'no reason'}")


def _is_parked(run: Json) -> bool:
    """A conflict looks again whenever there is news of a candidate, and is one while it does."""
    looks_again = run["state"] == "running" and (run.get("problem") or {}).get("error") == "Conflict"
    return bool(run["state"] == "parked" or looks_again)


def _waiting(facts: Facts) -> set[str]:
    """Entities whose runs wait for an address, or for a person's decision."""
    found: set[str] = set()
    for unit in facts.run.world.units.values():
        if unit.must in ("wait", "either"):
            found |= {facts.account_of(unit), facts.customer_of(unit), facts.run.customers.get(unit.key, "")}
            found.add(f"acct-{unit.key}")
    return found - {""}
