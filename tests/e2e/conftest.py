"""Every `make up` that a test starts is ended with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.home import Place, Up


@pytest.fixture
def up(kafka_jars: None) -> Iterator[Callable[[Place], Up]]:
    """Run `make up` on a place."""
    started: list[Up] = []

    def start(place: Place) -> Up:
        started.append(place.up())
        return started[-1]

    yield start
    for one in started:
        one.end()
