"""No call after the limits forbade it: read from the sandbox's log of calls. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.reliability.checker.broken import Broken
from tests.reliability.checker.facts import Facts

Json = dict[str, Any]
GRACE = 0.5
"""Seconds after a refusal in which calls may come that were under way when it was answered."""
REPORTED = 1.5
"""Seconds after a 401 in which processes that do not know of it may still call: the news travels through the log."""
AWAY = {"broker": 10.0, "ingress": 10.0, "worker": 3.0, "workers": 3.0}
"""Seconds after a fault in which the others may not know yet: by the broker, by the one that leases all leases, by a
worker that was refused itself.
"""
AT_ONCE = 6
"""Probes of a closed connection in one second: three workers, both other services and ingress may send one each."""


def limits(facts: Facts) -> Iterator[Broken]:
    """After a 429 that names a time nobody calls until it is over; after a 401 there are single probes only."""
    by_key: dict[str, list[Json]] = defaultdict(list)
    for call in facts.calls:
        if call["caller"] in facts.run.keys:
            by_key[call["caller"]].append(call)
    for key, calls in by_key.items():
        calls.sort(key=lambda call: call["began"])
        yield from _withheld(facts, key, calls)
        yield from _closed(key, calls)


def _withheld(facts: Facts, key: str, calls: list[Json]) -> Iterator[Broken]:
    for place, refused in enumerate(calls):
        if refused["status"] != 429 or not refused["retry_after"]:
            continue
        begin, end = refused["at"] + GRACE, refused["at"] + refused["retry_after"] - 0.05
        if _was_hurt(facts, refused["at"], end):
            continue  # whoever was away, or away from the log, could not know
        early = [c for c in calls[place + 1 :] if begin < c["began"] < end]
        if early:
            names = ", ".join(sorted({c["operation"] for c in early}))
            yield Broken(
                "limits",
                key,
                f"{len(early)} calls ({names}) within {refused['retry_after']:g} s of a 429 that forbade it",
            )


def _was_hurt(facts: Facts, begin: float, end: float) -> bool:
    for first, last, what in facts.run.pauses:
        target = what.split()[1].partition("-")[0]
        if target != "console" and first - 1 <= end and begin <= last + AWAY[target]:
            return True
    return False


def _closed(key: str, calls: list[Json]) -> Iterator[Broken]:
    since: float | None = None
    probes: list[Json] = []
    for call in calls:
        if call["status"] == 401:
            since = call["at"] if since is None else since
        elif call["status"] == 200 and since is not None and call["began"] > since + REPORTED:
            since, probes = None, []
        if since is not None and call["began"] > since + REPORTED:
            probes = [c for c in probes if c["began"] > call["began"] - 1.0] + [call]
            if len(probes) > AT_ONCE:
                yield Broken("limits", key, f"{len(probes)} calls within a second with a key that was refused before")
                return
