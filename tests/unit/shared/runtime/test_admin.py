"""Topics that were made just now are waited for until the broker shows them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from shared.errors import Unavailable
from shared.runtime import admin
from shared.settings import Settings


class SlowCluster:
    """An admin client of a broker that shows a new topic after some looks: first not at all, then without a leader."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.made: list[str] = []

    async def start(self) -> None: ...
    async def close(self) -> None: ...

    async def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": [{}]}

    async def list_topics(self) -> list[str]:
        return []

    async def create_topics(self, new: list[Any]) -> Any:
        self.made = [topic.name for topic in new]
        return SimpleNamespace(topic_errors=[(name, 0, None) for name in self.made])

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        self.looks -= 1
        if self.looks > 1:
            return [{"topic": name, "error_code": 3, "partitions": []} for name in names]
        leader = -1 if self.looks > 0 else 1
        return [{"topic": name, "error_code": 0, "partitions": [{"leader": leader}]} for name in names]


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None, kafka_bootstrap_servers="127.0.0.1:1", allow_fewer_replicas=True)


async def test_it_returns_when_the_broker_shows_all_topics(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever subscribes then finds them: a client that does not see a topic leaves it out for minutes."""
    cluster = SlowCluster(looks=4)
    monkeypatch.setattr(admin, "AIOKafkaAdminClient", lambda **_: cluster)
    monkeypatch.setattr(admin, "CHECK_EVERY", 0)

    assert await admin.ensure_topics(settings) == []
    assert (cluster.looks, len(cluster.made) > 20) == (0, True)


async def test_a_broker_that_never_shows_them_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing starts on topics that nobody can write to."""
    monkeypatch.setattr(admin, "AIOKafkaAdminClient", lambda **_: SlowCluster(looks=10**9))
    monkeypatch.setattr(admin, "LED_WITHIN", 0.0)
    monkeypatch.setattr(admin, "CHECK_EVERY", 0)

    with pytest.raises(Unavailable, match="does not show all of them"):
        await admin.ensure_topics(settings)
