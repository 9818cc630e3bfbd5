"""`tandem conflicts`."""

from __future__ import annotations

from shlex import quote as quoted
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text
from shared.domains import by_hand

from console.cli import client, tables

app = typer.Typer(help="What waits for your decision: several things could be one.", no_args_is_help=True)

COLUMNS = ("Entity", "Candidates", "Why", "Since", "Run")


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    candidates = ", ".join(c["id"] for c in found["candidates"])
    entity, since = tables.whose(found["entity"]["ref"]), tables.since(found["since"])
    return entity, candidates, found["reason"], since, found["run"]


@app.command("list")
def list_(
    id: client.AnyId = "", since: client.Since = "", limit: client.Limit = 50, json: client.AsJson = False
) -> None:
    """List conflicts, newest first."""
    answer = client.call("GET", "/api/conflicts", params={"id": id, "since": since, "limit": limit})
    tables.show_list(answer, COLUMNS, _row, "None: nothing waits for a decision.", json=json)


@app.command()
def show(run: Annotated[str, typer.Argument(metavar="RUN")], json: client.AsJson = False) -> None:
    """Show one conflict, and the commands that decide it."""
    answer = client.call("GET", f"/api/conflicts/{quote(run, safe='')}")
    if json:
        client.print_json(answer)
        return
    found, out = answer.json(), client.out()
    entity = found["entity"]
    tables.facts(
        out,
        {
            "entity": tables.whose(entity["ref"]),
            "run": found["run"],
            "event": found["event_type"],
            "since": f"{found['since']} ({tables.since(found['since'])})",
            "looks again": found["next_attempt_at"],
        },
    )
    out.print(Text(found["reason"], style="yellow"))
    if found["candidates"]:
        out.print()
        columns = ("Candidate", "State", "Linked to", "Mapping")
        out.print(tables.table(columns, map(_candidate_row, found["candidates"])))
    choices = commands(found)
    if choices:
        out.print("\nDecide with one of these; the run then goes on by itself:", style="dim")
    for line in choices:
        out.print(f"  {line}", markup=False)
    if not found["separable"]:
        correct = "Or correct" if choices else "Correct"
        out.print(f"\n{correct} what it says, then: tandem conflicts retry {found['run']}", markup=False)


@app.command()
def retry(run: Annotated[str, typer.Argument(metavar="RUN")], json: client.AsJson = False) -> None:
    """Have a conflict looked at again, after you mended its cause where nobody tells of it (an account's Settings)."""
    answer = client.call("POST", f"/api/conflicts/{quote(run, safe='')}/retry")
    if json:
        client.print_json(answer)
        return
    client.out().print(f"It looks again: tandem runs show {answer.json()['run']}", markup=False)


def _candidate_row(found: dict[str, Any]) -> tuple[object, ...]:
    linked_to = tables.whose(found["linked_to"]) if found["linked_to"] else ""
    return tables.whose(found["ref"]), found["state"] or "not linked", linked_to, found["mapping"]


def commands(conflict: dict[str, Any]) -> list[str]:
    """What decides a conflict: one command for each candidate of the other side, and one for none of them if that ends
    it.
    """
    entity, found = conflict["entity"], []
    is_first = conflict["relation"] in ("", by_hand()[0].name)
    relation = "" if is_first else f" --relation {conflict['relation']}"
    for candidate in conflict["candidates"]:
        if candidate["app"] == entity["app"]:
            continue
        if candidate["state"] in ("linked", "deleted"):
            found.append(f"tandem mappings relink {candidate['mapping']} --side {_named(entity)}")
        else:
            found.append(f"tandem mappings link {_named(entity)} {_named(candidate)}{relation}")
    if conflict["separable"]:
        found.append(f"tandem mappings separate {quoted(entity['id'])}")
    by = f" --flow-link {quoted(conflict['flow_link'])}" if conflict["flow_link"] else ""
    return [f"{line}{by} --reason ..." for line in found]


def _named(side: dict[str, Any]) -> str:
    return quoted(f"{side['app']}={side['id']}")
