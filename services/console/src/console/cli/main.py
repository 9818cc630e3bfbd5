"""The command: its sub-commands, its version, and what happens to errors."""

from __future__ import annotations

import logging
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer
from shared.domains import views
from shared.private import keep_private

from console.cli import (
    conflicts,
    connections,
    dead_letters,
    differences,
    doctor,
    flow_links,
    imports,
    kafka,
    mappings,
    replays,
    runs,
    setup,
    status,
    up,
)
from console.cli.errors import KNOWN
from console.cli.terminal import say
from console.domains import DOMAINS
from console.names import only_once


def add_domains(to: typer.Typer) -> None:
    """The commands of each view, and of each domain's own part."""
    for view in views().values():
        to.add_typer(mappings.of_view(view), name=view.name)
    for domain in DOMAINS.values():
        if domain.command:
            to.add_typer(domain.command(), name=domain.name)


def check_names(of: typer.Typer) -> None:
    """Raises ValueError if two commands have one name: a domain's would hide one of the rest."""
    only_once(
        "command", [str(one.name) for one in of.registered_commands] + [str(one.name) for one in of.registered_groups]
    )


app = typer.Typer(
    name="tandem",
    help="Keeps Togai (usage billing) and Stripe (payments) in step.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("up")(up.up)
app.command("setup")(setup.setup)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
add_domains(app)
app.add_typer(mappings.app, name="mappings")
app.add_typer(conflicts.app, name="conflicts")
app.add_typer(differences.app, name="differences")
app.add_typer(runs.app, name="runs")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(connections.app, name="connections")
app.add_typer(flow_links.app, name="flow-links")
app.add_typer(imports.run_app, name="import")
app.add_typer(imports.app, name="imports")
app.command("replay")(replays.replay)
app.add_typer(replays.app, name="replays")
app.add_typer(kafka.app, name="kafka")
check_names(app)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"tandem {version('tandem-console')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Keeps Togai (usage billing) and Stripe (payments) in step."""


def main() -> None:
    """Run the command of this process's arguments."""
    keep_private()
    # Clients that wait for a broker log every try as an error; the command tells the outcome itself.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # What a bug's traceback holds may be a vendor's text too.
    sys.excepthook = lambda *found: say("".join(traceback.format_exception(*found)), err=True)
    try:
        app()
    except KNOWN as error:
        say(f"tandem: {error}", err=True)
        sys.exit(1)
