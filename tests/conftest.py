"""What every test stands on: the engines, and a network that ends at this machine."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = ["tests.engines.plugin", "tests.engines.side_by_side", "tests.stack.plugin"]

# A developer's .env may hold keys of real accounts: no test, and no process that a test starts, reads it.
os.environ["TANDEM_ENV_FILE"] = ""
# One broker is all that a test machine has; what is demanded of a real cluster has tests of its own.
os.environ["TANDEM_ALLOW_FEWER_REPLICAS"] = "true"
# A console asks the ingress of its machine, which may belong to a Tandem that runs beside the tests: here none answers.
os.environ["TANDEM_INGRESS_ADMIN_PORT"] = "1"

# The gate draws the same few examples each time; `make test-all` asks for new ones, and for many.
settings.register_profile("gate", max_examples=50, derandomize=True, database=None, deadline=None)
settings.register_profile("all", max_examples=500, database=None, deadline=None)
settings.load_profile("gate")

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test leaves the gate for something that stays there, and says what that is."""
    for item in items:
        mark = item.get_closest_marker("long")
        if mark and not (mark.args and mark.args[0]):
            raise pytest.UsageError(f"{item.nodeid} is `long` and does not say what the gate keeps in its place")
