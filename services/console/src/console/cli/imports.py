"""`tandem import` and `tandem imports`: bring in what a vendor holds already, and see how far that is."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from shared.domains import import_kinds

from console.cli import client, tables
from console.cli.terminal import say

EVERY = 1.0
"""Seconds between two checks of an import."""
ENDED = ("done", "cancelled", "failed", "paused")

run_app = typer.Typer(help="Import everything of a kind that a vendor holds.", no_args_is_help=True)
app = typer.Typer(help="Imports: how far they are, and what came of them.", no_args_is_help=True)

FlowLink = Annotated[str, typer.Option("--flow-link", help="The flow link that handles it; only if several could.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this entity; several times for several.")]
From = Annotated[str, typer.Option("--created-from", help="Only what was made from this time on, as 2026-11-01.")]
Until = Annotated[str, typer.Option("--created-until", help="Only what was made before this time.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until all of it is handled.")]


def _of_kind(name: str, title: str) -> None:
    def run(
        flow_link: FlowLink = "",
        ids: Ids = None,
        created_from: From = "",
        created_until: Until = "",
        wait: Wait = True,
        json: client.AsJson = False,
    ) -> None:
        given = {"created_from": created_from, "created_until": created_until, "ids": ids or []}
        payload = {key: value for key, value in given.items() if value}
        body = {"kind": name, "payload": payload, "flow_link": flow_link}
        asked = client.call("POST", "/api/imports", body=body)
        if wait:
            asked = follow(str(asked.json()["id"]), quiet=json)
        if json:
            client.print_json(asked)
        else:
            show_import(client.out(), asked.json())
        raise typer.Exit(1 if asked.json()["state"] == "failed" else 0)

    run_app.command(name, help=f"Import {name}: {title}.")(run)


for _kind in import_kinds().values():
    _of_kind(_kind.name, _kind.title)


def follow(import_id: str, *, quiet: bool) -> Any:
    """Look again until it has ended, or waits for a person. A line for each change."""
    shown = ""
    while True:
        answer = client.call("GET", f"/api/imports/{import_id}")
        line = progress(answer.json())
        if line != shown and not quiet:
            say(line)
        shown = line
        if answer.json()["state"] in ENDED:
            return answer
        time.sleep(EVERY)


def progress(found: dict[str, Any]) -> str:
    """One line: how far it is."""
    counts = [f"{found[name]} {words}" for name, words in WORDS.items() if found[name]]
    problem = f"; {found['problem']}" if found["problem"] else ""
    return f"{found['state']}: {found['listed']} listed, {', '.join(counts) or 'none handled'}{problem}"


WORDS = {
    "linked": "linked",
    "already": "linked before",
    "waiting": "waiting",
    "conflicts": "in conflict",
    "left_out": "left out",
    "failed": "failed",
}
"""What came of entities, as it is shown."""


def show_import(out: Console, found: dict[str, Any]) -> None:
    """One import whole, with where to look at what is not done."""
    tables.facts(
        out,
        {
            "import": found["id"],
            "kind": found["kind"],
            "state": found["state"],
            "flow link": found["flow_link"],
            "listed": found["listed"],
            **{words: found[name] for name, words in WORDS.items() if found[name]},
            "asked for": f"{found['requested_at']} ({tables.since(found['requested_at'])})",
            "listed at": found["ended_at"],
            "problem": found["problem"],
        },
    )
    if found["waiting"]:
        say("What waits, and for what: tandem runs list --state parked")
    if found["conflicts"]:
        say("What you decide: tandem conflicts list")
    if found["failed"]:
        say("What failed: tandem dead-letters list --state open")


@app.command("list")
def list_imports(limit: client.Limit = 20, json: client.AsJson = False) -> None:
    """Every import, newest first."""
    answer = client.call("GET", "/api/imports", params={"limit": limit})
    if json:
        client.print_json(answer)
        return
    counts = ("Listed", "Linked", "Linked before", "Waiting", "Conflicts", "Failed")
    columns = ("State", "Kind", *counts, "Asked for", "Import")
    rows = (
        (i["state"], i["kind"], str(i["listed"]), str(i["linked"]), str(i["already"]), str(i["waiting"]),
         str(i["conflicts"]), str(i["failed"]), tables.since(i["requested_at"]), i["id"])
        for i in client.items(answer)
    )  # fmt: skip
    tables.show_page(client.out(), answer, tables.table(columns, rows), "Nothing was imported yet.")


@app.command("show")
def show(import_id: Annotated[str, typer.Argument(metavar="IMPORT")], json: client.AsJson = False) -> None:
    """One import."""
    answer = client.call("GET", f"/api/imports/{import_id}")
    client.print_json(answer) if json else show_import(client.out(), answer.json())


def _change(name: str, text: str) -> None:
    def change(import_id: Annotated[str, typer.Argument(metavar="IMPORT")]) -> None:
        show_import(client.out(), client.call("POST", f"/api/imports/{import_id}/{name}").json())

    app.command(name, help=text)(change)


_change("pause", "Stop listing after the page in hand; what is in the log already is handled all the same.")
_change("resume", "Go on where it was paused.")
_change("cancel", "Stop for good; what is in the log already is handled all the same.")
