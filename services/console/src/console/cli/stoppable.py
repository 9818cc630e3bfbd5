"""What goes on page by page, an import or a replay: followed to its end, and stopped."""

# Annotations are not deferred here: typer could not see the noun that one of them names.

import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console

from console.cli import client
from console.cli.terminal import say

EVERY = 1.0
"""Seconds between two checks."""
ENDED = ("done", "cancelled", "failed", "paused")


def follow(path: str, progress: Callable[[dict[str, Any]], str], *, quiet: bool) -> Any:
    """Check again until it has ended, or waits for a person. A line for each change."""
    shown = ""
    while True:
        answer = client.call("GET", path)
        line = progress(answer.json())
        if line != shown and not quiet:
            say(line)
        shown = line
        if answer.json()["state"] in ENDED:
            return answer
        time.sleep(EVERY)


def add_changes(
    app: typer.Typer, noun: str, show: Callable[[Console, dict[str, Any]], None], *, does: str, done: str
) -> None:
    """`pause`, `resume` and `cancel` of a noun, which `does` something page by page; what is `done` stops too."""

    def add(name: str, text: str) -> None:
        def change(name_of_one: Annotated[str, typer.Argument(metavar=noun.upper())]) -> None:
            show(client.out(), client.call("POST", f"/api/{noun}s/{name_of_one}/{name}").json())

        app.command(name, help=text)(change)

    add("pause", f"Stop {does} after the page in hand; what is {done} and not begun waits.")
    add("resume", "Go on where it was paused.")
    add("cancel", f"Stop for good, also what is {done} and not begun, or waits.")
