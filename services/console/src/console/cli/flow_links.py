"""`tandem flow-links`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.text import Text

from console import manage
from console.cli import client, tables
from console.cli.errors import settings as read_settings
from console.cli.terminal import say
from console.pages.words import counted

app = typer.Typer(help="Which flows are on, for which connections.", no_args_is_help=True)

COLUMNS = ("Flow link", "State", "Missed", "Waiting", "Flow", "Options", "Connections")


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    state = Text("on", style="green") if found["enabled"] else Text(f"off: {found['off']}", style="yellow")
    return (
        found["id"],
        state,
        str(found["missed"] or ""),
        str(found["waiting"] or ""),
        found["flow"],
        ", ".join(f"{name}={value}" for name, value in found["options"].items()),
        ", ".join(f"{app}: {connection}" for app, connection in found["connections"].items()),
    )


@app.command("list")
def list_(json: client.AsJson = False) -> None:
    """List flow links."""
    answer = client.call("GET", "/api/flow-links")
    empty = "No flow link yet: `make up` makes them, or `tandem flow-links add`."
    tables.show_list(answer, COLUMNS, _row, empty, json=json)


@app.command("add")
def add(
    flow: Annotated[str, typer.Argument(metavar="FLOW", help="A flow's id.")],
    connection: Annotated[
        list[str], typer.Option(metavar="ALIAS=ID", help="A connection by its app, or by its alias in the flow.")
    ],
) -> None:
    """Switch a flow on between connections. A live one and a test one are never joined."""
    connections = dict(text.partition("=")[::2] for text in connection)
    if wrong := [text for text in connection if not all(text.partition("=")[::2])]:
        raise typer.BadParameter(f"{wrong[0]}: write it as stripe=con_stripe", param_hint="--connection")
    link, competition = asyncio.run(manage.add_link(read_settings(), flow, connections))
    say(f"{link.id} is on.")
    _say_competition(competition)


def _say_competition(competition: str) -> None:
    if competition:
        say(f"{competition}.")


@app.command("enable")
def enable(link: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Switch a flow link on."""
    found = client.call("POST", f"/api/flow-links/{link}/enable").json()
    say(f"{link} is on.")
    _say_competition(found["competition"])
    if found["missed"]:
        what = counted(found["missed"], "entity had news", "entities had news")
        say(f"{what} while it was off: `tandem flow-links catch-up {link}` looks at them.")


@app.command("catch-up")
def catch_up(link: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Look at every entity of which a flow link missed something while it was off, as it is now."""
    sent, gone, after = 0, 0, ""
    while after is not None:
        answer = client.call("POST", f"/api/flow-links/{link}/catch-up", body={"after": after}).json()
        sent, gone, after = sent + answer["sent"], gone + answer["gone"], answer["next"]
    what = counted(sent, "entity is", "entities are")
    say(f"{what} looked at again, behind live events: see `tandem runs list --since 5m`.")
    if gone:
        what = counted(gone, "entity is not: its event is", "entities are not: their events are")
        say(f"{what} older than what is kept. See `tandem runs list --state missed`, and do it by hand.")


@app.command("disable")
def disable(link: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Switch a flow link off: it writes nothing from then on, its runs wait, its events are recorded as missed."""
    client.call("POST", f"/api/flow-links/{link}/disable")
    say(
        f"{link} is off: it writes nothing, its runs wait, and what its events would have changed is counted as missed."
    )
    say(f"`tandem flow-links enable {link}` switches it on again.")


@app.command("set")
def set_(
    link: Annotated[str, typer.Argument(metavar="ID")],
    options: Annotated[list[str], typer.Argument(metavar="NAME=VALUE", help="As mode=subscription.")],
) -> None:
    """Choose what a flow link does, for what begins from now on."""
    if wrong := [text for text in options if not all(text.partition("=")[::2])]:
        raise typer.BadParameter(f"{wrong[0]}: write it as mode=subscription", param_hint="NAME=VALUE")
    wanted = dict(text.partition("=")[::2] for text in options)
    chosen = client.call("POST", f"/api/flow-links/{link}/options", body={"options": wanted}).json()["options"]
    say(f"{link}: {', '.join(f'{name}={value}' for name, value in chosen.items())}")


@app.command("remove")
def remove(link: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Remove a flow link for good: no start and no update makes it again."""
    client.call("POST", f"/api/flow-links/{link}/remove")
    say(f"{link} is removed.")


@app.command("confirm")
def confirm(link: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Let first contacts replace filled values of many pairs, for a day: see `tandem runs list --state parked`."""
    client.call("POST", f"/api/flow-links/{link}/confirm")
    say(f"{link} may overwrite values at first contacts for a day; what waited for that goes on.")
