"""HTTP to the processes of one's own machine."""

from __future__ import annotations

from typing import Any

import httpx
from shared.tls import trusted


def own_machine(**options: Any) -> httpx.AsyncClient:
    """A client for Tandem's own processes; `options` are httpx's. No proxy of the environment stands in between."""
    return httpx.AsyncClient(verify=trusted(), trust_env=False, **options)
