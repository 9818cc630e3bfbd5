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
    tables.show_page(client.out(), answer, shown, "None: linked pairs are equal in every field that travels.")
