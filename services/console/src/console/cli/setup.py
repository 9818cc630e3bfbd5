"""`tandem setup`: for a Tandem that something else than `tandem up` starts, as a container platform."""

from __future__ import annotations

import asyncio

from console.cli.errors import settings as read_settings
from console.cli.terminal import say
from console.local.probe import require_kafka


def setup() -> None:
    """Make topics, connections and flow links ready, once, and end. Safe to run again."""
    from console.setup import check_keys, prepare

    settings = read_settings()
    check_keys(settings)
    asyncio.run(require_kafka(settings))
    prepared = asyncio.run(prepare(settings))
    for note in prepared.notes:
        say(f"look at this: {note}")
    for sentence in (*prepared.sources, *prepared.new):
        say(sentence)
    say(f"ready: {', '.join(prepared.accounts) or 'no connection'}")
    for address in prepared.addresses:
        say(address)
