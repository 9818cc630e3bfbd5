"""`tandem runs`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from console.cli import client, links, tables

app = typer.Typer(help="What ran, how it ended and why.", no_args_is_help=True)

COLUMNS = ("State", "Entity", "Event", "Flow", "Result", "Started", "Run")


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    done = f"{found['steps_done']} of {found['steps_total']} steps" if found["steps_total"] else ""
    result = found["problem"]["reason"] if found["problem"] else found["reason"] or done
    return (
        tables.state(found["state"]),
        tables.whose(found["aggregate"]),
        found["event_type"],
        found["flow"],
        result,
        tables.since(found["started_at"]),
        found["id"],
    )


@app.command("list")
def list_(
    id: client.AnyId = "",
    state: client.State = "",
    flow: Annotated[str, typer.Option("--flow", help="Only runs of this flow.")] = "",
    no_echoes: Annotated[
        bool, typer.Option("--no-echoes", help="Without those whose event was Tandem's own write.")
    ] = False,
    since: client.Since = "",
    limit: client.Limit = 50,
    json: client.AsJson = False,
) -> None:
    """List runs, newest first."""
    params = {
        "id": id,
        "state": state,
        "flow": flow,
        "since": since,
        "limit": limit,
        "echoes": "false" if no_echoes else "",
    }
    answer = client.call("GET", "/api/runs", params=params)
    empty = "No run of this kind: its event has not arrived, see `tandem status`." if id else "Nothing ran yet."
    tables.show_list(answer, COLUMNS, _row, empty, json=json)


@app.command()
def show(run: Annotated[str, typer.Argument(metavar="RUN")], json: client.AsJson = False) -> None:
    """Show one run with its steps."""
    answer = client.call("GET", f"/api/runs/{quote(run, safe='')}")
    if json:
        client.print_json(answer)
    else:
        tables.run(client.out(), answer.json())


app.command("revert")(links.revert)
