"""What came of a run: for people in the terminal, for machines as JSON, and as the page `docs/reliability.md`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.reliability.checker.verdict import INVARIANTS
from tests.reliability.run import Result

Json = dict[str, Any]
NOTE = "<!-- Written by `make reliability` after a whole run. Run it again instead of changing this page. -->"
SHOWN = 40
"""Broken things that the terminal shows; the JSON has all."""
PARTS = {
    "start": "start of everything", "story": "story, while things break", "rest": "coming to rest",
    "second pass": "second pass over everything", "refold": "tables folded again", "all": "in all",
}  # fmt: skip


def as_json(result: Result, when: str) -> Json:
    """Everything of a run, for machines."""
    return {
        "seed": result.plan.seed,
        "events": result.plan.events,
        "at": when,
        "good": result.good,
        "invariants": {name: len([b for b in result.broken if b.invariant == name]) for name in INVARIANTS},
        "broken": [{"invariant": b.invariant, "entity": b.entity, "what": b.what} for b in result.broken],
        "seconds": {name: round(seconds, 1) for name, seconds in result.seconds.items()},
        "faults": dict(sorted(result.faults.items())),
        "process_faults": dict(sorted(result.process_faults.items())),
        "restarts": dict(sorted(result.restarts.items())),
        "counts": dict(result.counts),
    }


def summary(report: Json) -> str:
    """The end of a run as the terminal shows it."""
    faults = sum(report["faults"].values())
    lines = [
        f"{report['counts'].get('events', 0)} events, {faults} faults at the vendors, "
        f"{sum(report['process_faults'].values())} faults of processes, {report['seconds'].get('all', 0):.0f} s",
        *(
            f"  {name:12} {'holds' if not count else f'BROKEN {count} times'}"
            for name, count in report["invariants"].items()
        ),
        *(f"BROKEN {b['invariant']}: {b['entity']}: {b['what']}" for b in report["broken"][:SHOWN]),
    ]
    if report["broken"]:
        lines.append(f"the same again: make reliability SEED={report['seed']} EVENTS={report['events']}")
    return "\n".join(lines)


def page(report: Json) -> str:
    """`docs/reliability.md`."""
    counts, seconds = report["counts"], report["seconds"]
    return "\n".join(
        [
            "# Reliability",
            NOTE,
            "",
            "For whoever must trust Tandem. A model makes customers and accounts on both sides, changes, archives and "
            "deletes them, offers plans, makes invoices and pays both, while the vendors misbehave and processes are "
            "killed, paused and scaled. At the end a checker that shares no code with Tandem reads the vendors' state "
            "and history, the topics, and the model.",
            "",
            f"The last whole run: seed {report['seed']}, {counts['events']} events, {report['at']}, "
            f"{seconds['all'] / 60:.0f} minutes. The same again: "
            f"`make reliability SEED={report['seed']} EVENTS={report['events']}`.",
            "",
            "## What was held",
            *_table(("invariant", "means", "broken"), ((n, m, report["invariants"][n]) for n, m in INVARIANTS.items())),
            "",
            "## What broke",
            "At the vendors, by how often it struck:",
            "",
            *_table(("fault", "times"), report["faults"].items()),
            "",
            "Processes; who died was started again:",
            "",
            *_table(("process fault", "times"), report["process_faults"].items()),
            "",
            "## What was done",
            *_table(("what", "number"), counts.items()),
            "",
            "## How long it took",
            *_table(("part", "seconds"), ((words, seconds[name]) for name, words in PARTS.items() if name in seconds)),
            "",
        ]
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in (head, ["---"] * len(head), *rows)]
