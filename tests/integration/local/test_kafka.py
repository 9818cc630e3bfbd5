"""The embedded Kafka by itself."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition
from console import manage
from console.local.errors import LocalError
from console.local.kafka import EmbeddedKafka
from console.local.ports import free_port
from console.local.probe import kafka_answers, require_kafka
from shared.kafka.log import login_options
from shared.kafka.login import password_file
from shared.settings import Settings

from tests.engines import access
from tests.engines.kafka import embedded


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, kafka_jars: None) -> Iterator[EmbeddedKafka]:
    with embedded(tmp_path_factory.mktemp("kafka") / "home") as broker:
        yield broker


@pytest.fixture
async def broker(started: EmbeddedKafka) -> EmbeddedKafka:
    """A running broker: one for all tests, started again after a test that stopped it."""
    if not started.pid:
        await started.start()
    return started


async def create(broker: EmbeddedKafka, topic: str) -> None:
    admin = AIOKafkaAdminClient(**access.options(broker.bootstrap))
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()


async def write(broker: EmbeddedKafka, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(**access.options(broker.bootstrap), acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def read(broker: EmbeddedKafka, topic: str, count: int) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(**access.options(broker.bootstrap))
    async with consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        return [(await consumer.getone()).value for _ in range(count)]


async def test_what_the_broker_is_configured_with(broker: EmbeddedKafka) -> None:
    """A topic made with no settings is flushed before the acknowledgement and takes a wrapped webhook of a megabyte."""
    await create(broker, "reported")
    admin = AIOKafkaAdminClient(**access.options(broker.bootstrap))
    await admin.start()
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "reported")])
    await admin.close()
    settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}

    assert settings["flush.messages"] == "1"
    assert int(settings["max.message.bytes"]) >= 2_000_000


async def test_records_outlive_kill_9_and_a_move(broker: EmbeddedKafka) -> None:
    """Every acknowledged record is there after kill -9, and after an orderly stop on other ports too."""
    await create(broker, "kept")
    await write(broker, "kept", b"one")
    await broker.kill()
    await broker.start()
    await write(broker, "kept", b"two")
    await broker.stop()
    assert broker.pid is None
    assert not await broker.ready()

    elsewhere = EmbeddedKafka(broker.home, free_port(in_a_row=2))
    await elsewhere.start()
    try:
        records = await read(elsewhere, "kept", 2)
    finally:
        await elsewhere.stop()

    assert records == [b"one", b"two"]


async def test_a_broker_that_cannot_run_says_why(tmp_path: Path, kafka_jars: None) -> None:
    """Broken data ends in an error with the place of the log, not in an endless wait."""
    (tmp_path / "kafka/data").mkdir(parents=True)
    (tmp_path / "kafka/data/meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n")
    broker = access.own_kafka(tmp_path, free_port(in_a_row=2))

    with pytest.raises(LocalError, match=r"Kafka ended with exit code 1\. Look into .*logs/kafka\.log"):
        await broker.start()


async def test_a_cluster_id_that_begins_with_a_dash(
    tmp_path: Path, kafka_jars: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The random id of a new data folder may begin with any character."""
    monkeypatch.setattr("console.local.kafka.uuid.uuid4", lambda: UUID("f8000000-0000-4000-8000-000000000000"))
    broker = EmbeddedKafka(tmp_path, free_port(in_a_row=2))
    await broker.prepare()

    assert "cluster.id=-AAAAAAA" in (broker.folder / "data/meta.properties").read_text()


@pytest.mark.parametrize(
    ("servers", "reported"), [("127.0.0.1:9", "No Kafka answers at 127.0.0.1:9"), ("nowhere", "write it as HOST:PORT")]
)
async def test_a_given_kafka_must_answer(servers: str, reported: str) -> None:
    """A KAFKA_BOOTSTRAP_SERVERS that leads nowhere is reported with what to change."""
    with pytest.raises(LocalError, match=reported):
        await require_kafka(Settings(kafka_bootstrap_servers=servers), patience=0.1)


async def test_nobody_gets_in_without_the_password(broker: EmbeddedKafka) -> None:
    """Not without one, not with a wrong one, and not to the controller either, with whatever."""
    right, controller = login_options(broker.login), f"127.0.0.1:{broker.controller_port}"
    wrong = right | {"sasl_plain_password": "guessed"}
    plain = right | {"sasl_mechanism": "PLAIN"}

    assert await kafka_answers(broker.bootstrap, **right)
    for options in ({}, wrong, plain):
        assert not await kafka_answers(broker.bootstrap, **options)
    for options in ({}, right, plain):
        assert not await kafka_answers(controller, **options)


def test_only_the_homes_owner_reads_the_password(started: EmbeddedKafka) -> None:
    """Made at the first start, in files of mode 600 in folders of mode 700, and in nobody's command line or log."""
    file, settings = password_file(started.home), started.folder / "server.properties"
    password = file.read_text().strip()

    assert [stat.S_IMODE(found.stat().st_mode) for found in (file, settings)] == [0o600] * 2
    assert [stat.S_IMODE(found.parent.stat().st_mode) for found in (file, settings)] == [0o700] * 2
    assert started.pid
    command = psutil.Process(started.pid).cmdline()
    assert not any(password in text for text in (*command, started.log.read_text()))
    assert not list(started.folder.glob("format.*"))


async def test_the_password_is_made_once(tmp_path: Path, kafka_jars: None) -> None:
    """Long, random, and the same at the next start; a home whose password is gone says what to do."""
    broker = EmbeddedKafka(tmp_path, free_port(in_a_row=2))
    await broker.prepare()
    first = broker.login.password
    await broker.prepare()
    assert (len(first) > 40, broker.login.password) == (True, first)

    password_file(tmp_path).unlink()
    with pytest.raises(LocalError, match=r"kafka\.password is not there.*backup, or set TANDEM_HOME"):
        await broker.prepare()


@pytest.mark.parametrize(
    "ask",
    [
        lambda settings: manage.remove_connection(settings, "con_stripe"),
        manage.rekey,
        lambda settings: manage.add_link(settings, "a-flow", {}),
    ],
    ids=["connections remove", "connections rekey", "flow-links add"],
)
async def test_a_command_that_needs_kafka_says_how_to_start_it(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence instead of what the client raised."""
    monkeypatch.setattr(manage, "KAFKA_PATIENCE", 0.1)

    with pytest.raises(LocalError, match="No Kafka answers at 127.0.0.1:9"):
        await ask(Settings(_env_file=None, kafka_bootstrap_servers="127.0.0.1:9"))
