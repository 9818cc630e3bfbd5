"""What of a run stays in one of pytest-xdist's processes, and what begins first.

Tests of a module share its fixtures, so a module stays together. The marks that pytest-xdist would go by instead do not
reach it: its 3.8 sets them by an attribute that pytest 9 no longer has.
"""

from __future__ import annotations

from typing import Any

import pytest

TOGETHER = (
    "tests/contract/clients",
    "tests/contract/sandbox",
    "tests/integration/ingress",
    "tests/reliability/crash",
)
"""Folders whose modules share what one of them has started."""
BY_MODULE = (
    "tests/contract/sandbox/test_stripe_model.py",
    "tests/contract/sandbox/test_stripe_parameters.py",
    "tests/contract/sandbox/test_togai_model.py",
    "tests/contract/sandbox/test_togai_operations.py",
)
"""Long modules of these folders that use nothing of it: one process would go through all of them alone at the end."""
APART = (
    "tests/e2e/",
    "tests/integration/flows/test_faults.py",
    "tests/integration/ingress/test_kafka_away.py",
    "tests/integration/ingress/test_secrets.py",
    "tests/integration/ingress/test_hostile_input.py",
    "tests/integration/ratelimit/",
    "tests/integration/runtime/test_reading.py",
    "tests/integration/runtime/test_replica.py",
    "tests/reliability/sweep/test_sweep.py::test_a_death_at_any_point",
    "tests/reliability/sweep/test_sweep.py::test_a_fault_of_any_call",
)
"""Long tests that share nothing but what the whole run shares: each for itself."""
FIRST = (
    "tests/reliability", "tests/integration/ratelimit", "tests/e2e", "tests/integration", "tests/made_up",
    "tests/contract",
)  # fmt: skip
"""The longest: what begins last should be short."""


def scope(nodeid: str) -> str:
    """What a test stays together with."""
    if nodeid.startswith(APART):
        return nodeid
    if nodeid.startswith(BY_MODULE):
        return nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole scopes, in the order of the collection."""
    from xdist.scheduler import LoadScopeScheduling

    class Scopes(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    return Scopes(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The same order in every process."""
    items.sort(key=lambda item: next((n for n, folder in enumerate(FIRST) if item.nodeid.startswith(folder)), 9))
