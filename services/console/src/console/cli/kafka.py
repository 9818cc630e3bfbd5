"""`tandem kafka start|stop|status|run`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from console.cli.errors import settings
from console.cli.terminal import say, terminal
from console.local import kafka_daemon
from console.local.report import JsonLines, Lines

NOT_RUNNING = 3

app = typer.Typer(help="The embedded Kafka alone.", no_args_is_help=True)


@app.command()
def start() -> None:
    """Start it in the background; it outlives this terminal."""
    running = asyncio.run(kafka_daemon.start(settings(), Lines(terminal())))
    say(f"Kafka runs at 127.0.0.1:{running.port} (`{running.command}`, process {running.pid})")


@app.command()
def stop() -> None:
    """Stop the one that `start` left running."""
    stopped = asyncio.run(kafka_daemon.stop(settings()))
    say(f"Kafka stopped (process {stopped.pid})" if stopped else "Kafka is not running")


@app.command()
def status() -> None:
    """Tell whether it runs; exit code 3 if it does not."""
    running, answers = asyncio.run(kafka_daemon.status(settings()))
    if not running:
        say("Kafka is not running")
        raise typer.Exit(NOT_RUNNING)
    state = "runs" if answers else "does not answer yet"
    say(
        f"Kafka {state} at 127.0.0.1:{running.port} (`{running.command}`, process {running.pid}, since {running.since})"
    )


@app.command()
def run(
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line instead of text.")] = False,
) -> None:
    """Run it in the foreground; Ctrl-C stops it."""
    asyncio.run(kafka_daemon.keep(settings(), JsonLines() if json else Lines(terminal())))
