"""TLS of tests: nobody is trusted, for no test leaves this machine, and nobody's certificates are read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TRUST_NOBODY = {"SSL_CERT_FILE": "", "SSL_CERT_DIR": str(Path(__file__).parent)}
"""A folder without certificates. Each client of httpx reads all that the machine trusts: 48 ms of processor time."""


@contextmanager
def trusting_nobody() -> Iterator[None]:
    """For clients that are made meanwhile."""
    before = {name: os.environ.get(name) for name in TRUST_NOBODY}
    os.environ |= TRUST_NOBODY
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
