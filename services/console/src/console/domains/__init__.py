"""What domains add to the console. To add one, write its folder here and name it at the end of this file.

Nothing else in the console knows a domain's folder, and none knows another's.
"""

from __future__ import annotations

from console.domain import ConsoleDomain, Server
from console.domains import invoices, plans

DOMAINS: dict[str, ConsoleDomain] = {}
"""By name, in the order in which pages and commands are shown."""


def register(domain: ConsoleDomain) -> None:
    """Add a domain's part. Raises ValueError if its name is taken."""
    if domain.name in DOMAINS:
        raise ValueError(f"the console has a part {domain.name} already")
    DOMAINS[domain.name] = domain


def unregister(domain: ConsoleDomain) -> None:
    """Take a part out again: for tests that bring one of their own."""
    del DOMAINS[domain.name]


def servers() -> list[Server]:
    """What each adds to the server."""
    return [domain.server() for domain in DOMAINS.values()]


for _domain in (plans.DOMAIN, invoices.DOMAIN):
    register(_domain)
