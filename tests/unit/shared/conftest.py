"""What the tests of logs stand on."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog
from shared.log import configure


@pytest.fixture(params=[False, True], ids=["lines", "json"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What a process writes to its log."""
    root = logging.getLogger()
    kept, hook = (root.handlers, root.level), sys.excepthook
    configure("test", as_json=request.param)
    stream = io.StringIO()
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield stream
    root.handlers, root.level = kept
    sys.excepthook = hook
    structlog.reset_defaults()
