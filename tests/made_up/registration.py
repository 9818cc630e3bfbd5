"""What a line in `shared.apps`, one in `shared.domains` and one in `console.domains` would do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from console import domains as console_domains

from shared import apps, domains
from tests.made_up import entries, entry_console, ledger


def register() -> None:
    """For a process that lives for a test: the made-up app and domain are there."""
    apps.register(ledger.Ledger())
    domains.register(entries.DOMAIN)
    console_domains.register(entry_console.PART)


@contextmanager
def registered_for_a_while() -> Iterator[None]:
    """For tests in a process that others share."""
    register()
    try:
        yield
    finally:
        console_domains.unregister(entry_console.PART)
        domains.unregister(entries.DOMAIN)
        apps.unregister(apps.APPS["ledger"])
