"""HTTP to the processes of one's own machine."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpx


@cache
def certificates() -> ssl.SSLContext:
    """Whom HTTPS trusts, read once: each client of httpx reads them again, also for HTTP: 40 ms of processor time."""
    return httpx.create_ssl_context()


def own_machine(**options: Any) -> httpx.AsyncClient:
    """A client for Tandem's own processes; `options` are httpx's. No proxy of the environment stands in between."""
    return httpx.AsyncClient(verify=certificates(), trust_env=False, **options)
