"""`tandem status`."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from console.cli import client, doctor, tables
from console.pages import words
from console.pages.words import duration, passed


def _part_row(part: dict[str, Any]) -> tuple[object, ...]:
    well = part["running"] and not part["detail"]
    word = "ready" if part["ready"] else "running" if well else "not ready" if part["running"] else "not running"
    return part["name"], Text(word, style="green" if well else "red"), part["url"], part["pid"], part["detail"]


def _lag_row(group: dict[str, Any]) -> tuple[object, ...]:
    numbers = ("–" if group[name] is None else str(group[name]) for name in ("live", "replay", "parked"))
    return group["service"], *numbers, group["problem"]


def _poller_row(found: dict[str, Any]) -> tuple[object, ...]:
    return (
        found["kind"],
        tables.state(found["level"]),
        found["app_account"],
        passed(found["complete"], found["seen"], found["passes"]),
        f"{found['found']:,}",
        tables.since(found["at"]) if found["at"] else "never",
        duration(found["interval"]) if found["interval"] else "–",
        found["problem"],
    )


def _use_row(found: dict[str, Any]) -> tuple[object, ...]:
    return found["app_account"], *words.quota_of(found), f"{found['under_way']}", words.lowered(found)


def _quotas(out: Console, found: list[dict[str, Any]]) -> None:
    if found:
        out.print()
        out.print(
            tables.table(("Quota of", "Calls a second", "Last minute", "Under way", "Says"), map(_use_row, found))
        )


def _pollers(out: Console, found: dict[str, Any] | None) -> None:
    if found is None:
        return
    columns = ("List that is read", "State", "App account", "Read", "Events found", "Last", "Every", "Says")
    out.print()
    out.print(tables.table(columns, map(_poller_row, found["items"])))
    off = "" if found["polling"] else "; nothing is read: TANDEM_POLLING is off"
    out.print(Text(f"webhooks: {found['webhooks'] or '–'}{off}", style="dim"))
    for one in found["reads"]:
        said = f"reads of {one['app_account']} in 30 days: {one['used']:,} of {one['allowed']:,}"
        out.print(Text(said, style="dim"))


def status(json: client.AsJson = False) -> None:
    """Whether all is well: every part, what is not done yet, what waits for a person. Exit code 1 if not.

    What is unsafe is counted in one line, and changes the exit code of `tandem doctor` alone.
    """
    answer = client.call("GET", "/api/status")
    found = answer.json()
    if json:
        client.print_json(answer)
        raise typer.Exit(0 if found["healthy"] else 1)
    out = client.out()
    if found["parts"]:
        out.print(tables.table(("Part", "State", "Address", "Process", "Says"), map(_part_row, found["parts"])))
        out.print()
    lags = [_lag_row(group) for group in found["consumers"]]
    lags.append(("console", str(found["projection"]["lag"]), "–", "–", found["projection"]["problem"]))
    out.print(tables.table(("Events not done yet", "Live", "Replay", "Parked", "Note"), lags))
    _quotas(out, found["quota_use"])
    _pollers(out, found["pollers"])
    last, counts = found["last_run"], found["counts"]
    out.print()
    tables.facts(
        out,
        {
            "linked": str(counts["mappings"].get("linked", 0)),
            "runs": ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in sorted(counts["runs"].items())),
            "open dead letters": str(counts["dead_letters"].get("open", 0)),
            "conflicts": str(counts["conflicts"]),
            "waiting for a change": str(counts["waiting"]),
            "differences": str(counts["differences"]),
            "refused events": str(sum(one["count"] for one in found["refused_events"])),
            "last event": f"{last['event_type']}, {tables.since(last['started_at'])}" if last else "none yet",
        },
    )
    out.print()
    for problem in found["problems"]:
        out.print(Text(problem, style="red"))
    for sentence in found["off"]:
        out.print(Text(sentence, style="yellow"))
    if unsafe := doctor.sentence(doctor.diagnose()):
        out.print(Text(unsafe, style="yellow"))
    if found["healthy"]:
        out.print(Text("All that is on is well." if found["off"] else "All is well.", style="green"))
    raise typer.Exit(0 if found["healthy"] else 1)
