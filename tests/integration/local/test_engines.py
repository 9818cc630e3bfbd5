"""The engines that other integration tests stand on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import psycopg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.engines import access

ROOT = Path(__file__).resolve().parents[3]


async def test_kafka_takes_a_record(kafka_bootstrap: str) -> None:
    """The session's Kafka is real: a topic is made and a record gets its place."""
    admin = AIOKafkaAdminClient(**access.options(kafka_bootstrap))
    await admin.start()
    await admin.create_topics([NewTopic("engines", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(**access.options(kafka_bootstrap), acks="all") as producer:
        sent = await producer.send_and_wait("engines", b"hello")

    assert sent.offset == 0


def test_postgres_answers(postgres_url: str) -> None:
    """The session's PostgreSQL is real and has the database of the address."""
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        row = connection.execute("SELECT 1, current_database()").fetchone()

    assert row == (1, "tandem")


HOLD_BOTH = """
import sys, time
from pathlib import Path
from tests.engines import kafka, postgres
with kafka.embedded(Path(sys.argv[1])), postgres.embedded():
    print("ready", flush=True)
    time.sleep(600)
"""


def test_no_engine_outlives_a_killed_pytest(tmp_path: Path) -> None:
    """kill -9 of pytest leaves neither a broker nor a database."""
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)  # PostgreSQL may run as another user
        command = [sys.executable, "-c", HOLD_BOTH, str(tmp_path)]
        environment = {**os.environ, "TMPDIR": scratch}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as session:
            try:
                assert session.stdout
                assert session.stdout.readline() == "ready\n"
                engines = psutil.Process(session.pid).children(recursive=True)
                assert {name_of(engine) for engine in engines} >= {"java", "postgres"}
            finally:
                os.kill(session.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(engines, timeout=10)

    assert alive == []


def name_of(process: psutil.Process) -> str:
    """Empty for one that is gone: PostgreSQL starts some for a moment only."""
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""
