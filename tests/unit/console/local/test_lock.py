"""The lock of Kafka's jars."""

from __future__ import annotations

import re
from importlib import resources

from console.local import jars


def test_the_lock_pins_every_jar_by_hash_and_names_no_address() -> None:
    """Coordinates and sha256 only: where the jars come from is not the lock's business."""
    text = (resources.files("console.local") / jars.LOCK_NAME).read_text()

    assert "://" not in text
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in jars.locked())


def test_the_lock_holds_one_version_of_kafka_and_a_logger() -> None:
    """A mixed set would start and fail later; without a logger the broker would say nothing."""
    kafka = {jar.version for jar in jars.locked() if jar.group == "org.apache.kafka"}

    assert kafka == {"4.4.0"}
    assert jars.kafka_version() == "4.4.0"
    assert "slf4j-simple" in {jar.artifact for jar in jars.locked()}


def test_a_repository_path() -> None:
    """A jar stands where every Maven repository has it."""
    jar = jars.Jar("org.apache.kafka", "kafka-clients", "4.4.0", "")

    assert jar.path == "org/apache/kafka/kafka-clients/4.4.0/kafka-clients-4.4.0.jar"
