"""`tandem setup`: for a Tandem that something else than `tandem up` starts, as a container platform."""

from __future__ import annotations

import asyncio

import typer

from console.cli.errors import settings as read_settings
from console.local.probe import require_kafka


def setup() -> None:
    """Make topics, connections and flow links ready, once, and end. Safe to run again."""
    from console.setup import check_keys, prepare

    settings = read_settings()
    check_keys(settings)
    asyncio.run(require_kafka(settings))
    prepared = asyncio.run(prepare(settings))
    for note in prepared.notes:
        typer.echo(f"look at this: {note}")
    for sentence in (*prepared.sources, *prepared.new):
        typer.echo(sentence)
    typer.echo(f"ready: Stripe {prepared.stripe_account}, Togai {prepared.togai_account}")
    typer.echo(f"Stripe calls {prepared.stripe_webhook}")
    typer.echo(f"Togai calls {prepared.togai_webhook}")
