"""`tandem differences`."""

from __future__ import annotations

from typing import Any

import typer

from console.cli import client, tables
from console.pages.words import app_name, value

app = typer.Typer(help="Fields that differ between the two sides of a pair and stay so.", no_args_is_help=True)

COLUMNS = ("Field", "Togai account", "in Togai", "Stripe", "in Stripe", "Owner", "Why it stays", "Since")


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    togai = (found["togai_account_id"], value(found["togai"]))
    stripe = (found["stripe_id"], value(found["stripe"]))
    since = tables.since(found["since"])
    return found["field"], *togai, *stripe, app_name(found["owner"]), found["reason"], since


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
    tables.show_page(client.out(), answer, shown, "" if client.items(answer) else _none(id))


def _none(id: str) -> str:
    """Why there is none: equal, not linked, or not looked at."""
    if id and not client.items(client.call("GET", "/api/mappings", params={"id": id, "state": "linked"})):
        return "Nothing is linked under this id: what is not linked has no differences."
    behind = [x for x in client.items(client.call("GET", "/api/flow-links")) if x["missed"] or x["waiting"]]
    if behind:
        names = ", ".join(link["id"] for link in behind)
        return f"None that was looked at. Not looked at is what came while {names} was off: `tandem flow-links list`."
    return "None: linked pairs are equal in every field that travels."
