"""`tandem import` and `tandem imports`: bring in what a vendor holds already, and see how far that is."""

from __future__ import annotations

import csv
import inspect
import io
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from shared.domains import import_kinds, import_options
from shared.domains.flow import FlowOption
from shared.domains.model import ImportKind
from shared.plain import plain

from console.cli import client, stoppable, tables
from console.cli.terminal import say
from console.pages.words import IMPORT_COUNTS, quota_of

EVERY = 1.0
"""Seconds between two checks of an import."""
RANGE = ("created_from", "created_until")
RATES = {"listed_rate": "listed", "rate": "handled"}
"""How fast an import is, as it is shown."""
COUNTED = {
    "listed": "Listed", "linked": "Linked", "already": "Linked before", "waiting": "Waiting",
    "conflicts": "Conflicts", "left_out": "Left out", "failed": "Failed",
}  # fmt: skip
COLUMNS = ("State", "Kind", *COUNTED.values(), "Asked for", "Import")
ENDED = ("done", "cancelled", "failed", "paused")

run_app = typer.Typer(help="Import everything of a kind that a vendor holds.", no_args_is_help=True)
app = typer.Typer(help="Imports: how far they are, and what came of them.", no_args_is_help=True)

FlowLink = Annotated[str, typer.Option("--flow-link", help="The flow link that handles it; only if several could.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this entity; several times for several.")]
From = Annotated[str, typer.Option("--created-from", help="Only what was made from this time on, as 2026-11-01.")]
Until = Annotated[str, typer.Option("--created-until", help="Only what was made before this time.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done with each, and write nothing.")]
Choices = Annotated[
    list[str] | None,
    typer.Option(
        "--choice",
        metavar="CONFLICT=CHOICE",
        help="What becomes of a kind of conflict, as same_email=decide.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant so.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until all of it is handled.")]


def _of_kind(kind: ImportKind) -> None:
    def run(
        dry_run: DryRun = False,
        choice: Choices = None,
        yes: Yes = False,
        flow_link: FlowLink = "",
        ids: Ids = None,
        created_from: From = "",
        created_until: Until = "",
        wait: Wait = True,
        json: client.AsJson = False,
        **options: str,
    ) -> None:
        given: dict[str, Any] = {"created_from": created_from, "created_until": created_until, "ids": ids or []}
        given |= {"dry_run": dry_run, "choices": choices_of(choice or [])} | options
        if kind.confirm and not dry_run:
            given["confirmed"] = yes or typer.confirm(f"{kind.confirm}. Go on?", abort=True)
        payload = {key: value for key, value in given.items() if value}
        body = {"kind": kind.name, "payload": payload, "flow_link": flow_link}
        asked = client.call("POST", "/api/imports", body=body)
        if wait:
            asked = stoppable.follow(f"/api/imports/{asked.json()['id']}", progress, quiet=json)
        if json:
            client.print_json(asked)
        else:
            show_import(client.out(), asked.json(), options_of(payload, flow_link))
        raise typer.Exit(1 if asked.json()["state"] == "failed" else 0)

    conflicts = "\n\n".join(f"{each.name}={'|'.join(each.choices)}: {each.title}." for each in kind.all_conflicts)
    choices = f"What becomes of conflicts (--choice; the first if you say nothing):\n\n{conflicts}"
    _name_options(run, kind.options)
    run_app.command(kind.name, help=f"Import {kind.name}: {kind.title}.\n\n{choices}")(run)


def _name_options(run: Any, options: Iterable[FlowOption]) -> None:
    """A command of a kind has its options too: typer reads them from the signature."""
    found = inspect.signature(run, eval_str=True)
    own = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default="",
            annotation=Annotated[str, typer.Option(help=f"{option.title}: {' or '.join(option.values)}.")],
        )
        for option in options
    ]
    run.__signature__ = found.replace(parameters=[*list(found.parameters.values())[:-1], *own])


def choices_of(given: list[str]) -> dict[str, str]:
    """Raises typer.BadParameter for what is no choice."""
    found = {}
    for text in given:
        name, equals, choice = text.partition("=")
        if not (name and equals and choice):
            raise typer.BadParameter(f"{text!r} is no choice: write it as same_email=decide", param_hint="--choice")
        found[name.strip()] = choice.strip()
    return found


for _kind in import_kinds().values():
    _of_kind(_kind)


def progress(found: dict[str, Any]) -> str:
    """One line: how far it is."""
    written = f"{found['written']} {_written(found)}"
    counts = [f"{found[name]} {words}" for name, words in IMPORT_COUNTS.items() if found[name]]
    problem = f"; {found['problem']}" if found["problem"] else ""
    rates = [f"{found[name]:g}/s {words}" for name, words in RATES.items() if found[name]]
    speed = f"; {', '.join(rates)}" if rates else ""
    left = f", {_left(found)} left" if found["eta_seconds"] is not None else ""
    used = [f"{each['app_account'].partition(':')[0]} {quota_of(each)[1]}" for each in found["quota_use"]]
    use = f"; in the last minute {'; '.join(used)}" if used else ""
    said = ", ".join([f"{found['listed']} listed", written, *(counts or ["none handled"])])
    return f"{found['state']}: {said}{speed}{left}{use}{problem}"


def options_of(payload: dict[str, Any], flow_link: str) -> str:
    """What a preview was narrowed by, as it is typed: the import is narrowed by the same."""
    given = [("--flow-link", flow_link)] if flow_link else []
    given += [(f"--{name.replace('_', '-')}", payload[name]) for name in RANGE if name in payload]
    given += [("--id", each) for each in payload.get("ids", ())]
    given += [("--choice", f"{name}={choice}") for name, choice in payload.get("choices", {}).items()]
    given += [(f"--{name.replace('_', '-')}", payload[name]) for name in import_options() if payload.get(name)]
    return "".join(f" {name} {shlex.quote(value)}" for name, value in given)


def show_import(out: Console, found: dict[str, Any], options: str | None = None) -> None:
    """One import whole, with where to look at what is not done. `options`: what a preview was asked with, if known."""
    tables.facts(
        out,
        {
            "import": found["id"],
            "kind": found["kind"] + (" (a preview: nothing is written)" if found["dry_run"] else ""),
            "state": found["state"],
            "flow link": found["flow_link"],
            **found["options"],
            "listed": found["listed"],
            _written(found): found["written"],
            **{words: found[name] for name, words in IMPORT_COUNTS.items() if found[name]},
            "asked for": f"{found['requested_at']} ({tables.since(found['requested_at'])})",
            "listed at": found["ended_at"],
            "speed": ", ".join(f"{found[name]:g} {words} a second" for name, words in RATES.items() if found[name]),
            "left": _left(found) if found["eta_seconds"] is not None else "",
            "quota": "\n".join(_use(each) for each in found["quota_use"]),
            "problem": found["problem"],
        },
    )
    if found["conflict_kinds"]:
        rows = ((k["name"], k["count"], k["title"], k["choice"], k["remedy"]) for k in found["conflict_kinds"])
        out.print(tables.table(("Conflict", "How many", "What", "What becomes of them", "What ends it"), rows))
    _say_what_to_do(found, options)


def _left(found: dict[str, Any]) -> str:
    """More may be listed yet than is by now."""
    return f"{'at least ' if found['state'] == 'running' else ''}{found['eta_seconds']} s"


def _written(found: dict[str, Any]) -> str:
    return "looked at" if found["dry_run"] else "written"


def _use(found: dict[str, Any]) -> str:
    rate = f"{found['rate']:g} calls a second" if found["rate"] else "no limit"
    pause = f", pausing for {found['back_off']:g} s" if found["back_off"] else ""
    return f"{found['app_account']}: {rate}, {found['under_way']} under way{pause}"


def _standing(found: dict[str, Any]) -> str:
    """They are counted up to the quota."""
    return f"{found['standing']}{' or more' if found['standing'] >= found['quota'] else ''}"


def _say_what_to_do(found: dict[str, Any], options: str | None) -> None:
    if found["over_quota"]:
        say(
            f"{found['over_quota']} of the new ones would pass the limit of {found['quota']} at the other side, where "
            f"{_standing(found)} stand: ask for more there first, then set TANDEM_TOGAI_ACCOUNT_QUOTA"
        )
    if found["dry_run"]:
        say(f"Each that would not be linked, and why: tandem imports report {found['id']}")
        same = " and the options of this preview" if options is None else options
        say(f"To import: tandem import {found['kind']}{same}")
        return
    if step := import_kinds()[found["kind"]].next_of(found["options"]):
        say(step.says)
    if found["left_out"] or found["failed"]:
        say(f"Each that is not linked, why, and what to do: tandem imports report {found['id']}")
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
    tables.show_list(answer, COLUMNS, _row, "Nothing was imported yet.", json=json)


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    kind = found["kind"] + (", preview" if found["dry_run"] else "")
    counts = (str(found[name]) for name in COUNTED)
    return found["state"], kind, *counts, tables.since(found["requested_at"]), found["id"]


@app.command("show")
def show(import_id: Annotated[str, typer.Argument(metavar="IMPORT")], json: client.AsJson = False) -> None:
    """One import."""
    answer = client.call("GET", f"/api/imports/{import_id}")
    client.print_json(answer) if json else show_import(client.out(), answer.json())


@app.command("report")
def report(
    import_id: Annotated[str, typer.Argument(metavar="IMPORT")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; else it is printed.")] = None,
) -> None:
    """Every entity that is not linked, with why and what to do, as CSV."""
    answer = client.call("GET", f"/api/imports/{import_id}/report")
    if output is None:
        sys.stdout.write(plain(answer.text.replace("\r\n", "\n")))
        return
    try:
        output.write_bytes(answer.content)
    except OSError as error:
        raise typer.BadParameter(f"{output} cannot be written: {error.strerror}", param_hint="--output") from error
    entities = max(0, sum(1 for _ in csv.reader(io.StringIO(answer.text, newline=""))) - 1)
    say(f"{entities} that are not linked are in {output}")


stoppable.add_changes(app, "import", show_import, does="listing", done="in the log")
