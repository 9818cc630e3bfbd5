"""`tandem mappings`."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from console.cli import client, links, tables

app = typer.Typer(help="Which customer at Stripe is which account at Togai.", no_args_is_help=True)
for change in (links.link, links.unlink, links.relink, links.separate):
    app.command()(change)


@app.command("list")
def list_(
    id: client.AnyId = "",
    state: client.State = "",
    since: client.Since = "",
    limit: client.Limit = 50,
    json: client.AsJson = False,
) -> None:
    """List mappings, newest first."""
    answer = client.call("GET", "/api/mappings", params={"id": id, "state": state, "since": since, "limit": limit})
    if json:
        client.print_json(answer)
        return
    shown = tables.table(tables.MAPPING_COLUMNS, map(tables.mapping_row, client.items(answer)))
    empty = "Nothing is linked under this id." if id else "Nothing is linked yet."
    tables.show_page(client.out(), answer, shown, f"{empty} `tandem runs list` shows what has come.")


@app.command()
def show(mapping: Annotated[str, typer.Argument(metavar="MAPPING")], json: client.AsJson = False) -> None:
    """Show one mapping."""
    answer = client.call("GET", f"/api/mappings/{quote(mapping, safe='')}")
    if json:
        client.print_json(answer)
        return
    found = answer.json()
    claim = found["claim"] or {}
    tables.facts(
        client.out(),
        {
            "mapping": found["id"],
            "state": tables.state(found["state"], found["shown_as"]),
            "Stripe": found["stripe_id"],
            "Togai account": found["togai_account_id"],
            "Togai customer": found["togai_customer_id"],
            "began at": found["source"],
            "joined by": found["rule"],
            "changed": f"{found['at']} ({tables.since(found['at'])})",
            "claimed for": f"{found['claimed_for']:.0f} s" if found["claimed_for"] is not None else "",
            "call": f"{claim['action']}, attempt {claim['attempt']}, key {claim['key']}" if claim else "",
            "run": found["run"],
            "reason": found["reason"],
        },
    )
