"""Topics: one shape for all inputs of a noun, and as many copies as are safe."""

from __future__ import annotations

from datetime import timedelta

import pytest
from shared.errors import Misconfigured
from shared.events.topics import Topics
from shared.runtime.admin import _extra, _replication
from shared.settings import Settings


def settings(servers: str = "", fewer: bool = False, prefix: str = "") -> Settings:
    return Settings(kafka_bootstrap_servers=servers, allow_fewer_replicas=fewer, topic_prefix=prefix)


@pytest.mark.parametrize(
    ("servers", "fewer", "brokers", "copies"),
    [
        ("", False, 1, 1),
        ("", True, 1, 1),
        ("k:1", False, 3, 3),
        ("k:1", False, 7, 3),
        ("k:1", True, 1, 1),
        ("k:1", True, 3, 1),
    ],
)
def test_copies(servers: str, fewer: bool, brokers: int, copies: int) -> None:
    """Three with two in sync, unless it is the embedded Kafka or the operator accepts fewer."""
    assert _replication(brokers, settings(servers, fewer)) == copies
    assert _extra(copies) == ({"min.insync.replicas": "2"} if copies == 3 else {})


@pytest.mark.parametrize("brokers", [1, 2])
def test_too_few_brokers_must_be_accepted_by_a_setting(brokers: int) -> None:
    """A record in one copy is lost with its broker: nobody gets that by accident."""
    with pytest.raises(Misconfigured, match="TANDEM_ALLOW_FEWER_REPLICAS"):
        _replication(brokers, settings("k:1"))


def test_all_inputs_of_a_noun_have_one_partition_count() -> None:
    """One worker owns the same numbers of all of them."""
    topics = Topics(settings(prefix="p."))
    shapes = {t.name: t for t in topics.all(("customer",))}

    assert {shapes[name].partitions for name in topics.inputs("customer")} == {topics.partitions}
    assert all(name.startswith("p.") for name in shapes)


def test_what_must_outlive_everything_is_compacted_and_never_deleted_by_age() -> None:
    """Mappings are the memory of who is who."""
    topics = Topics(settings())
    shapes = {t.name: t for t in topics.all(("customer",))}

    for name in (topics.mappings, topics.connections, topics.key_states, topics.flow_links, topics.dead_letters):
        assert (shapes[name].cleanup, shapes[name].retention, shapes[name].partitions) == ("compact", None, 1)
        assert shapes[name].config()["retention.ms"] == "-1"
    assert shapes[topics.runs].cleanup == "compact,delete"
    assert shapes[topics.runs].config()["max.compaction.lag.ms"] == str(7 * 24 * 3600 * 1000)
    assert shapes[topics.mappings].config()["max.compaction.lag.ms"] == str(7 * 24 * 3600 * 1000)
    assert shapes[topics.events("customer")].retention == timedelta(days=90)
