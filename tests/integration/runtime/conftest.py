"""Real Kafka with topics of each test's own; no vendor."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from shared.runtime.admin import ensure_topics
from shared.settings import Settings

from tests.engines import access
from tests.stack.topics import remove


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[structlog.typing.EventDict]]:
    """What is logged, as data: unconfigured, the log would draw every traceback with all variables."""
    with structlog.testing.capture_logs() as logged:
        yield logged


def own_settings(bootstrap: str, **changes: object) -> Settings:
    """A prefix that nobody else has."""
    given: dict[str, object] = {"topic_prefix": f"t{secrets.token_hex(4)}.", "topic_partitions": 3}
    given |= access.fields(bootstrap) | {"allow_fewer_replicas": True}
    return Settings.model_validate(given | changes)


@pytest.fixture
async def settings(kafka_bootstrap: str) -> AsyncIterator[Settings]:
    """A Tandem of the test's own on the shared broker: its topics stand until the test ends."""
    made = own_settings(kafka_bootstrap)
    await ensure_topics(made)
    yield made
    await remove(made)
