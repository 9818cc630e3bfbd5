"""`tandem replay` and `tandem replays`: send events of the log once more, and see what comes of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from console.cli import client, stoppable, tables
from console.cli.terminal import say
from console.pages.words import REPLAY_COUNTS

app = typer.Typer(help="Replays: how far they are, and what came of them.", no_args_is_help=True)

COLUMNS = (
    "State", "Noun", "Read", "Sent", *(words.capitalize() for words in REPLAY_COUNTS.values()), "Asked for", "Replay",
)  # fmt: skip
ReplayId = Annotated[str, typer.Argument(metavar="REPLAY")]


def replay(
    noun: Annotated[str, typer.Option("--noun", help="Events of this noun, for each flow link that is on.")] = "",
    flow_link: Annotated[str, typer.Option("--flow-link", help="Events that start this flow link, for it alone.")] = "",
    since: Annotated[
        str,
        typer.Option("--from", help="Only what Tandem got from this time on, as 2026-11-01 or 2026-11-01T12:00:00Z."),
    ] = "",
    until: Annotated[str, typer.Option("--until", help="Only what Tandem got before this time.")] = "",
    entities: Annotated[list[str] | None, typer.Option("--entity", help="Only of this id; several times.")] = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Only events of this type; several times.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until all of it is handled.")] = True,
    json: client.AsJson = False,
) -> None:
    """Send events of the log once more, behind live ones: each acts on what both sides are today.

    A dead letter is sent by `tandem dead-letters retry`, what a flow link missed while it was off by `tandem flow-links
    catch-up`.
    """
    given: dict[str, Any] = {"noun": noun, "flow_link": flow_link, "from": since, "until": until}
    given |= {"entities": entities or [], "types": types or [], "dry_run": dry_run}
    asked = client.call("POST", "/api/replays", body={key: value for key, value in given.items() if value})
    if wait:
        asked = stoppable.follow(f"/api/replays/{asked.json()['id']}", progress, quiet=json)
    client.print_json(asked) if json else show_replay(client.out(), asked.json())
    raise typer.Exit(1 if asked.json()["state"] == "failed" else 0)


def progress(found: dict[str, Any]) -> str:
    """One line: how far it is."""
    counts = [f"{found[name]} {words}" for name, words in REPLAY_COUNTS.items() if found[name]]
    problem = f"; {found['problem']}" if found["problem"] else ""
    return (
        f"{found['state']}: {found['read']} read, {found['sent']} sent, {', '.join(counts) or 'none handled'}{problem}"
    )


def show_replay(out: Console, found: dict[str, Any]) -> None:
    """One replay whole, with where to look at what is not done."""
    tables.facts(
        out,
        {
            "replay": found["id"] + (" (a dry run: nothing is written)" if found["dry_run"] else ""),
            "state": found["state"],
            "noun": found["noun"],
            "flow links": "\n".join(found["flow_links"]),
            "got": f"from {found['since']} until {found['until']}",
            "types": "\n".join(found["types"]),
            "entities": "\n".join(found["entities"]),
            "read": found["read"],
            "sent": f"{found['sent']}: {found['nothing_sent']}" if found["nothing_sent"] else found["sent"],
            **{words: found[name] for name, words in REPLAY_COUNTS.items() if found[name]},
            "calls": "\n".join(_calls(each) for each in found["calls"]),
            "asked for": f"{found['requested_at']} ({tables.since(found['requested_at'])})",
            "problem": found["problem"],
        },
    )
    if found["failed"]:
        say("What failed: tandem dead-letters list --state open")
    if found["conflicts"] and not found["dry_run"]:
        say("What you decide: tandem conflicts list")


def _calls(found: dict[str, Any]) -> str:
    took = f", about {found['seconds']} s at its quota" if found["seconds"] is not None else ""
    estimated = f", {found['estimated']} of them estimated: those from the first write on" if found["estimated"] else ""
    return f"{found['app_account']}: about {found['calls']}{took}{estimated}"


@app.command("list")
def list_replays(limit: client.Limit = 20, json: client.AsJson = False) -> None:
    """Every replay, newest first."""
    answer = client.call("GET", "/api/replays", params={"limit": limit})
    tables.show_list(answer, COLUMNS, _row, "Nothing was replayed yet.", json=json)


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    noun = found["noun"] + (", dry run" if found["dry_run"] else "")
    counts = (str(found[name]) for name in ("read", "sent", *REPLAY_COUNTS))
    return found["state"], noun, *counts, tables.since(found["requested_at"]), found["id"]


@app.command("show")
def show(replay_id: ReplayId, json: client.AsJson = False) -> None:
    """One replay; of a dry run also the calls that a replay would make."""
    answer = client.call("GET", f"/api/replays/{replay_id}")
    client.print_json(answer) if json else show_replay(client.out(), answer.json())


stoppable.add_changes(app, "replay", show_replay, does="sending", done="sent")
