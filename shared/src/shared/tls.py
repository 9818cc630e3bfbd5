"""Whom HTTPS trusts."""

from __future__ import annotations

import ssl
from functools import cache

import httpx2


@cache
def trusted() -> ssl.SSLContext:
    """Read once for a process: each client reads it again otherwise, also for HTTP, in 25 ms of processor time."""
    return httpx2.create_ssl_context()
