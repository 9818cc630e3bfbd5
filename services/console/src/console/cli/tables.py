"""How the sub-commands show records: tables for lists, facts and steps for single ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from shared.domains.model import Kind

from console.cli import client
from console.pages.words import ago, app_name, entity, entity_kind, kind_name, label, tone

STYLES = {"good": "green", "wait": "yellow", "bad": "red", "busy": "blue", "quiet": "dim"}


LONGEST_CELL = 300
"""Characters of a cell in a list: more than any id has."""


def state(name: str, words: str = "") -> Text:
    """A state in its tone; the word alone, or other words for it, say it too."""
    return Text(words or label(name), style=STYLES[tone(name)])


def since(text: str | None) -> str:
    return ago(text, datetime.now(UTC)) if text else "–"


def whose(ref: str) -> str:
    """`cus_1 (Stripe customer)`."""
    kind = entity_kind(ref)
    return f"{entity(ref)} ({kind})" if kind else ref or "–"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A plain table; text of others is shown as it stands, never read as markup."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        found.add_column(name, overflow="fold")
    for row in rows:
        found.add_row(*(cell if isinstance(cell, Text) else escape(_short(str(cell or "–"))) for cell in row))
    return found


def _short(text: str) -> str:
    """A reason may repeat a very long value; `show` and --json tell it whole."""
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


def show_page(out: Console, answer: httpx.Response, shown: Table, empty: str) -> None:
    """A list with its end: nothing there, or more than was asked for."""
    page = answer.json()
    if not page["items"]:
        out.print(empty, style="dim", markup=False)
        return
    out.print(shown)
    if page.get("next_cursor"):
        out.print("There are older ones: raise --limit, or narrow with --id, --state, --since.", style="dim")


def show_list(
    answer: httpx.Response,
    columns: Sequence[str],
    row: Callable[[dict[str, Any]], Sequence[object]],
    empty: str,
    *,
    json: bool,
) -> None:
    """What a list command says: the answer as it is, or a table with a row of each item."""
    if json:
        client.print_json(answer)
    else:
        show_page(client.out(), answer, table(columns, map(row, client.items(answer))), empty)


def facts(out: Console, values: Mapping[str, object]) -> None:
    """Names and values, without those that are empty."""
    grid = Table.grid(padding=(0, 2))
    for name, value in values.items():
        if value not in ("", None, [], {}):
            shown = (
                value
                if isinstance(value, Text)
                else escape(", ".join(value) if isinstance(value, list) else str(value))
            )
            grid.add_row(Text(name, style="dim"), shown)
    out.print(grid)


def problem(out: Console, found: Mapping[str, Any] | None, indent: str = "") -> None:
    """What went wrong, in one line, and what there is to choose from."""
    if not found:
        return
    code = f" ({found['code']})" if found["code"] else ""
    out.print(Text(f"{indent}{found['error']}{code}: {found['reason']}", style="red"))
    if found["candidates"]:
        out.print(Text(f"{indent}to choose from: {', '.join(found['candidates'])}", style="dim"))


def run(out: Console, found: Mapping[str, Any]) -> None:
    """A whole run."""
    facts(
        out,
        {
            "run": found["id"],
            "state": state(found["state"]),
            "flow": found["flow"],
            "event": f"{found['event_type']} {found['event']}",
            "entity": found["aggregate"],
            "came": f"{found['origin']}, by connection {found['connection']}"
            if found["connection"]
            else found["origin"],
            "started": f"{found['started_at']} ({since(found['started_at'])})",
            "ended": found["ended_at"],
            "reason": found["reason"],
            "next attempt": found["next_attempt_at"],
            "superseded by": found["superseded_by"],
            "echo of": found.get("echo_of"),
            "touched": found["refs"],
            "attempts": found["attempts"],
            "place": found["place"],
        },
    )
    problem(out, found["problem"])
    for number, step in enumerate(found["steps"], 1):
        line = Text(f"\n{number}. {step['action']}  ").append_text(state(step["state"]))
        out.print(line)
        for note in step["notes"]:
            out.print(Text(f"   {note}", style="dim"))
        problem(out, step["problem"], "   ")
        for name, value in step["output"].items():
            out.print(Text(f"   {name}: {value}"))


def mappings(found: Sequence[Mapping[str, Any]], kinds: Sequence[Kind] = ()) -> Table:
    """Links: the ids of these kinds in a column each; without kinds all sides in one, whatever they are."""
    names = [kind_name(kind.app, kind.noun) for kind in kinds] or ["Relation", "Sides"]
    columns = ("State", *names, "Began at", "Joined by", "Changed", "Mapping")
    return table(columns, (_mapping_row(one, kinds) for one in found))


def _mapping_row(found: Mapping[str, Any], kinds: Sequence[Kind]) -> tuple[object, ...]:
    shown = state(found["state"], found["shown_as"])
    ids = [id_at(found, kind) for kind in kinds]
    every = (found["relation"], "\n".join(whose(side["ref"]) for side in found["sides"]))
    rest = (app_name(found["origin_app"]), found["rule"], since(found["at"]), found["id"])
    return (shown, *(ids if kinds else every), *rest)


def id_at(found: Mapping[str, Any], kind: Kind) -> str:
    """The id of a link's side of a kind, empty until it is known."""
    same = (side["id"] for side in found["sides"] if (side["app"], side["kind"]) == (kind.app, kind.noun))
    return str(next(same, ""))
