"""What every test stands on: the engines, and a network that ends at this machine."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

pytest_plugins = ["tests.engines.plugin", "tests.stack.plugin"]

# A developer's .env may hold keys of real accounts: no test, and no process that a test starts, reads it.
os.environ["TANDEM_ENV_FILE"] = ""
# One broker is all that a test machine has; what is demanded of a real cluster has tests of its own.
os.environ["TANDEM_ALLOW_FEWER_REPLICAS"] = "true"

LOOPBACK = ("127.0.0.1", "localhost", "::1", "0.0.0.0")


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches a host other than this one: a forgotten base address fails instead of calling a vendor."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
