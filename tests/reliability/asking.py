"""What the tests of this run ask of a fixture that does it for all of them at once."""

from __future__ import annotations

from typing import Any

import pytest


def asked_of(request: pytest.FixtureRequest, name: str) -> list[Any]:
    """The parameters of that name of every test that uses the fixture which is being set up, each once."""
    asking = [item for item in request.session.items if request.fixturename in getattr(item, "fixturenames", ())]
    return list(dict.fromkeys(item.callspec.params[name] for item in asking))  # type: ignore[attr-defined]
