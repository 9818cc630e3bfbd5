"""`tandem up`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from shared.settings import Settings

from console.cli.errors import settings as read_settings
from console.cli.terminal import terminal
from console.local import up as local
from console.local.parts import parse_workers
from console.local.report import JsonLines, Lines, Report


def up(
    workers: Annotated[
        list[str] | None, typer.Option(metavar="NAME=NUMBER", help="How many copies of a worker, as customer-sync=3.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line instead of text.")] = False,
    stop_with_parent: Annotated[
        bool, typer.Option("--stop-with-parent", help="Stop when the program that started this one ends.")
    ] = False,
) -> None:
    """Start everything in the foreground; Ctrl-C stops it."""
    if stop_with_parent:
        local.stop_with_parent()
    from console.setup import check_keys

    settings = read_settings()
    check_keys(settings)
    console = terminal(stderr=json)
    report: Report = JsonLines() if json else Lines(console)
    asyncio.run(
        local.up(
            settings,
            parse_workers(workers or []),
            report,
            prepare=local.Step("setup", lambda: _prepare(settings, report)),
            # It makes customers and invoices of its own, so it never runs against real accounts.
            afterwards=local.Step("demo", lambda: _demo(settings, console), optional=True)
            if settings.sandboxed
            else None,
        )
    )


async def _prepare(settings: Settings, report: Report) -> str:
    from console.setup import prepare

    prepared = await prepare(settings)
    for note in prepared.notes:
        report.note("setup", note)
    for sentence in (*prepared.sources, *prepared.new):
        report.note("setup", sentence)
    if not settings.sandboxed:
        for address in prepared.addresses:
            report.note("setup", address)
    return ", ".join(prepared.accounts) or "no connection"


async def _demo(settings: Settings, console: Console) -> None:
    from console import demo

    await demo.run(settings, console)
