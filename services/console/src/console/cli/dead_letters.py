"""`tandem dead-letters`."""

from __future__ import annotations

from json import dumps
from typing import Annotated, Any
from urllib.parse import quote

import typer

from console.cli import client, tables
from console.cli.terminal import a_reason, say
from console.pages.words import counted

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
def retry(
    letter: Annotated[str, typer.Argument(metavar="DEAD-LETTER")] = "",
    every: Annotated[bool, typer.Option("--all", help="All open ones, or those that these options name.")] = False,
    flow_link: Annotated[str, typer.Option("--flow-link", help="With --all: only of this flow link.")] = "",
    error: Annotated[str, typer.Option("--error", help="With --all: only with this error, as Misconfigured.")] = "",
    noun: Annotated[str, typer.Option("--noun", help="With --all: only of this noun.")] = "",
    id: client.AnyId = "",
    since: client.Since = "",
    json: client.AsJson = False,
) -> None:
    """Try again, at the step that failed: one, or many with --all. Mend the cause first."""
    which = {"flow_link": flow_link, "error": error, "noun": noun, "id": id, "since": since}
    if every is bool(letter):
        raise typer.BadParameter("name a dead letter, or say --all", param_hint="DEAD-LETTER")
    if every:
        _retry_many(which, json=json)
        return
    if any(which.values()):
        raise typer.BadParameter("these narrow --all: a single one is named by its id", param_hint="DEAD-LETTER")
    answer = client.call("POST", _path(letter, "/retry"))
    if json:
        client.print_json(answer)
        return
    found = answer.json()
    searched_id = found["run"] or found["event"] or found["aggregate"]
    client.out().print(f"Sent again. See how it goes: tandem runs list --id {searched_id}", markup=False)


def _retry_many(which: dict[str, str], *, json: bool) -> None:
    sent, cursor = 0, ""
    while cursor is not None:
        answer = client.call("POST", "/api/dead-letters/retry", body=which | {"cursor": cursor}).json()
        sent, cursor = sent + answer["sent"], answer["next_cursor"]
    if json:
        say(dumps({"sent": sent}))
        return
    what = counted(sent, "dead letter was sent again", "dead letters were sent again")
    say(f"{what}. What fails again is open again: tandem dead-letters list --state open")


@app.command()
def discard(
    letter: LetterId,
    reason: Annotated[
        str, typer.Option("--reason", prompt="Why is it not needed?", callback=a_reason, help="Kept with the record.")
    ],
    json: client.AsJson = False,
) -> None:
    """Give up for good. The record and the reason are kept."""
    answer = client.call("POST", _path(letter, "/discard"), body={"reason": reason})
    if json:
        client.print_json(answer)
    else:
        client.out().print(f"Discarded {answer.json()['id']}.", markup=False)
