"""One sandbox for the folder."""

from __future__ import annotations

import pytest
from shared.runtime import creating

from tests.contract.sandbox.conftest import control as control
from tests.contract.sandbox.conftest import process as process


@pytest.fixture(autouse=True)
def no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a call that may be under way holds up is looked at again at once: none is."""
    monkeypatch.setattr(creating, "LEASE", 0.0)
