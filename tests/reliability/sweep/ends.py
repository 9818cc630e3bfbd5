"""What stands at both vendors and in the log at the end of a scenario, without what differs between two runs of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from tests.reliability.sweep.world import World

End = dict[str, list[str]]
NOT_COMPARED = frozenset({"account", "app", "events", "webhook_endpoints"})
"""Of the sandbox's state: the account's own name, and events: a value may be set twice."""
ID = re.compile(
    r"(?<![A-Za-z0-9])(?:[a-z]+_)+(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{8,}|[a-z]+\.\w{8,}\.\w{5,}|org\w{8,}|[0-9a-f-]{32,}"
    r"|\b\w{32}\b|\b[0-9a-f]{12}\b|\b[A-Z0-9]{8}(?:-\d{4})?\b|\b\d{4}-\d\d-[A-Z0-9]{4}\b"
)
"""Ids, digests of ids, secrets, and numbers of invoices of both vendors."""
TIME = re.compile(r"\d{4}-\d\d-\d\d(?:T[0-9:.]+Z?(?:\+00:00)?)?")
FIRST_TIME = 1_000_000_000
"""Greater numbers are epoch seconds."""
TERMINAL = frozenset({"succeeded", "in_sync", "skipped", "superseded", "missed"})


def end_of(world: World) -> End:
    """Objects by kind, and links, each as text without ids and times."""
    tandem, found = world.tandem, End()
    for name, account in tandem.accounts.items():
        state = tandem.control.call("GET", "/state", account=account["id"])
        found |= {f"{name} {kind}": shown(rows) for kind, rows in state.items() if kind not in NOT_COMPARED}
    found["links"] = shown([_link(row) for row in _last(world).values() if row["state"] != "withdrawn"])
    found["letters"] = [letter.problem.reason for letter in tandem.letters()]
    found["open runs"] = [f"{run.flow} {run.state}: {run.reason}" for run in tandem.runs() if run.state not in TERMINAL]
    return found


def _last(world: World) -> dict[str, dict[str, Any]]:
    written = world.tandem.log.on(world.tandem.topics.mappings)
    return {record.key: json.loads(record.value) for record in written}


def _link(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in ("relation", "state", "source", "target")}


def shown(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as sorted texts."""
    return sorted(json.dumps(_plain(row), sort_keys=True) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, str):
        return TIME.sub("<time>", ID.sub("<id>", value))
    return "<time>" if isinstance(value, int | float) and value > FIRST_TIME else value


def differences(end: End, wanted: End) -> dict[str, dict[str, list[str]]]:
    """By kind: what is there and should not be, and what is missing. Empty if the ends are equal."""
    found = {}
    for kind in end.keys() | wanted.keys():
        there, right = Counter(end.get(kind, [])), Counter(wanted.get(kind, []))
        if there != right:
            found[kind] = {
                "too much": sorted((there - right).elements()),
                "missing": sorted((right - there).elements()),
            }
    return found
