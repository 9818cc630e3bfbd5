"""A Tandem whose vendors keep to their limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stack.processes import UNLIMITED, Stack

QUOTAS = {"TANDEM_STRIPE_QUOTA": "25", "TANDEM_TOGAI_QUOTA": "10"}
STRICT = {"stripe_test_rate": 25, "stripe_operation_rate": 25, "togai_rate": 10}
QUIET_POLLERS = {"TANDEM_TOGAI_POLL_INTERVAL": "3600", "TANDEM_STRIPE_POLL_INTERVAL": "3600"}


@pytest.fixture
async def limited(kafka_bootstrap: str, tmp_path: Path) -> AsyncIterator[Stack]:
    """Three workers, one ingress; the sandbox's own limits are off until a test calls `strict`."""
    stack = await Stack.start(tmp_path, kafka_bootstrap, workers=3, **(QUOTAS | QUIET_POLLERS))
    yield stack
    await stack.stop()


async def strict(stack: Stack) -> None:
    """From now on the sandbox refuses what is above its limits."""
    await stack.control("PATCH", "/settings", json=UNLIMITED | STRICT)
