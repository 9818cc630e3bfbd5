"""`tandem dead-letters`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from console.cli import client, tables

app = typer.Typer(help="What was given up on: look, retry, discard.", no_args_is_help=True)

COLUMNS = ("State", "Entity", "Event", "Why", "Attempts", "Since", "Dead letter")
LetterId = Annotated[str, typer.Argument(metavar="DEAD-LETTER")]


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    why = f"{found['problem']['error']}: {found['problem']['reason']}"
    entity, since = tables.whose(found["aggregate"]), tables.since(found["dead_lettered_at"])
    return tables.state(found["state"]), entity, found["event_type"], why, found["attempts"], since, found["id"]


@app.command("list")
def list_(
    id: client.AnyId = "",
    state: client.State = "",
    since: client.Since = "",
    limit: client.Limit = 50,
    json: client.AsJson = False,
) -> None:
    """List dead letters, newest first."""
    params = {"id": id, "state": state, "since": since, "limit": limit}
    answer = client.call("GET", "/api/dead-letters", params=params)
    tables.show_list(answer, COLUMNS, _row, "None: nothing was given up on.", json=json)


def _path(letter: str, what: str = "") -> str:
    return f"/api/dead-letters/{quote(letter, safe='')}{what}"


@app.command()
def show(letter: LetterId, json: client.AsJson = False) -> None:
    """Show one dead letter with its event and its run."""
    answer = client.call("GET", _path(letter))
    if json:
        client.print_json(answer)
        return
    found, out = answer.json(), client.out()
    tables.facts(
        out,
        {
            "dead letter": found["id"],
            "state": tables.state(found["state"]),
            "entity": found["aggregate"],
            "event": f"{found['event_type']} {found['event']}",
            "place": found["place"],
            "attempts": found["attempts"],
            "since": f"{found['dead_lettered_at']} ({tables.since(found['dead_lettered_at'])})",
            "resumes at": found["step"],
            "changed": f"{found['changed_at']} {found['changed_reason']}".strip(),
        },
    )
    tables.problem(out, found["problem"])
    if found["traceback"]:
        out.print(found["traceback"], markup=False)
    if found["run_record"]:
        out.print()
        tables.run(out, found["run_record"])
    out.print("\nThe event as it came:", style="dim")
    out.print(found["value"], markup=False)


@app.command()
def retry(letter: LetterId, json: client.AsJson = False) -> None:
    """Try again, at the step that failed. Mend the cause first."""
    answer = client.call("POST", _path(letter, "/retry"))
    if json:
        client.print_json(answer)
        return
    found = answer.json()
    searched_id = found["run"] or found["event"] or found["aggregate"]
    client.out().print(f"Sent again. See how it goes: tandem runs list --id {searched_id}", markup=False)


@app.command()
def discard(
    letter: LetterId,
    reason: Annotated[str, typer.Option("--reason", prompt="Why is it not needed?", help="Kept with the record.")],
    json: client.AsJson = False,
) -> None:
    """Give up for good. The record and the reason are kept."""
    answer = client.call("POST", _path(letter, "/discard"), body={"reason": reason})
    if json:
        client.print_json(answer)
    else:
        client.out().print(f"Discarded {answer.json()['id']}.", markup=False)
