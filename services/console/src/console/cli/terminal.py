"""All that the command shows goes through here: names and messages of others must not steer the terminal."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment
from shared.plain import plain

LONGEST_REASON = 500
"""Characters of a reason, as the API takes it."""


class _Plain:
    """Something to show, with every control character of its texts written out."""

    def __init__(self, found: ConsoleRenderable) -> None:
        self._found = found

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._found, options):
            # Rich's own controls, as those of a spinner, are marked as such.
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Plain(found) for found in renderables]


def terminal(**options: Any) -> Console:
    """Rich's console, with its `options`, that shows control characters instead of obeying them."""
    console = Console(**options)
    console.push_render_hook(_Hook())
    return console


def a_reason(text: str) -> str:
    """The callback of an option that says why. Raises typer.BadParameter for nothing, and for too much."""
    if not 1 <= len(text.strip()) <= LONGEST_REASON:
        raise typer.BadParameter(f"say why, in 1 to {LONGEST_REASON} characters: it is kept", param_hint="--reason")
    return text


def say(text: str, *, err: bool = False) -> None:
    """One line or more of plain text."""
    typer.echo(plain(text), err=err)
