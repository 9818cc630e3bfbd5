"""What a line in `shared.apps` and one in `shared.domains` would do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared import apps, domains
from tests.made_up import entries, ledger


def register() -> None:
    """For a process that lives for a test: the made-up app and domain are there."""
    apps.register(ledger.Ledger())
    domains.register(entries.DOMAIN)


@contextmanager
def registered_for_a_while() -> Iterator[None]:
    """For tests in a process that others share."""
    register()
    try:
        yield
    finally:
        domains.unregister(entries.DOMAIN)
        apps.unregister(apps.APPS["ledger"])
