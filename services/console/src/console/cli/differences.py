"""`tandem differences`."""

from __future__ import annotations

from typing import Any

import typer

from console.cli import client, tables
from console.pages.words import value

app = typer.Typer(help="Fields that differ between the two sides of a pair and stay so.", no_args_is_help=True)

COLUMNS = ("Field", "Owner", "Owner's value", "Other side", "Its value", "Why it stays", "Since")


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    both = sorted(found["sides"], key=lambda side: side["app"] != found["owner"])
    shown = [cell for side in both for cell in (tables.whose(side["ref"]), value(found["values"].get(side["app"])))]
    return found["field"], *shown, found["reason"], tables.since(found["since"])


@app.command("list")
def list_(
    id: client.AnyId = "", since: client.Since = "", limit: client.Limit = 50, json: client.AsJson = False
) -> None:
    """List differences, newest first."""
    answer = client.call("GET", "/api/differences", params={"id": id, "since": since, "limit": limit})
    if json:
        client.print_json(answer)
        return
    shown = tables.table(COLUMNS, map(_row, client.items(answer)))
    behind = answer.json()["behind"]
    tables.show_page(client.out(), answer, shown, "" if client.items(answer) else _none(id, behind))
    if behind:
        out, were = client.out(), "was" if len(behind) == 1 else "were"
        out.print(
            f"Not compared yet is what came while {', '.join(behind)} {were} off: `tandem flow-links list`.",
            style="yellow", markup=False,
        )  # fmt: skip


def _none(id: str, behind: list[str]) -> str:
    """Why there is none: equal, not linked, or not looked at."""
    if id and not client.items(client.call("GET", "/api/mappings", params={"id": id, "state": "linked"})):
        return "Nothing is linked under this id: what is not linked has no differences."
    if behind:
        return "None that is known."
    return "None: linked pairs are equal in every field that travels."
