"""The real command, as a person types it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from console.local.home import UP, Home
from console.local.ports import free_port

TANDEM = Path(sys.executable).with_name("tandem")
KEYS = ("STRIPE_API_KEY", "TOGAI_API_TOKEN", "KAFKA_BOOTSTRAP_SERVERS")


class Machine:
    """A home and ports of its own, and what `tandem` says there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.kafka_port = free_port(in_a_row=2)

    def tandem(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if name not in KEYS}
        own = {"TANDEM_HOME": str(self.home), "TANDEM_KAFKA_PORT": str(self.kafka_port)}
        return subprocess.run(
            [TANDEM, *arguments],
            env={**inherited, **own, **settings},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    if machine.home.exists():
        machine.tandem("kafka", "stop")


def test_version(machine: Machine) -> None:
    """The version is one line."""
    assert machine.tandem("--version").stdout.split()[0] == "tandem"


def test_kafka_start_status_stop(machine: Machine, kafka_jars: None) -> None:
    """The broker outlives the command that started it, is found by the next ones, and is gone after `stop`."""
    started = machine.tandem("kafka", "start")
    again = machine.tandem("kafka", "start")
    running = machine.tandem("kafka", "status")
    stopped = machine.tandem("kafka", "stop")
    after = machine.tandem("kafka", "status")

    assert started.returncode == 0, started.stderr
    assert f"127.0.0.1:{machine.kafka_port}" in started.stdout
    assert again.stdout.splitlines()[-1] == started.stdout.splitlines()[-1]
    assert running.stdout.startswith(f"Kafka runs at 127.0.0.1:{machine.kafka_port} (`tandem kafka start`, process ")
    assert stopped.returncode == 0, stopped.stderr
    assert (after.returncode, after.stdout) == (3, "Kafka is not running\n")


def test_one_key_alone(machine: Machine) -> None:
    """`up` stops at once and says which key is missing."""
    done = machine.tandem("up", STRIPE_API_KEY="sk_test_1")

    assert done.returncode == 1
    assert "TOGAI_API_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
    assert not machine.home.exists()


def test_a_busy_port(machine: Machine, kafka_jars: None) -> None:
    """A taken port is one line with the setting to change, and nothing is left running."""
    with socket.create_server(("127.0.0.1", machine.kafka_port)):
        done = machine.tandem("kafka", "start")

    assert done.returncode == 1
    assert f"Port {machine.kafka_port} for kafka is taken by" in done.stderr
    assert "TANDEM_KAFKA_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_in_use(machine: Machine) -> None:
    """A second `up` on the same home names the first one's process."""
    with Home(machine.home).hold(UP, "tandem up", 8401):
        done = machine.tandem("up")

    assert done.returncode == 1
    assert f"process {os.getpid()}" in done.stderr


def test_an_unreachable_kafka(machine: Machine) -> None:
    """`up` neither starts its own Kafka nor waits for ever when the given one does not answer."""
    done = machine.tandem("up", KAFKA_BOOTSTRAP_SERVERS="not-an-address", TANDEM_SANDBOX_PORT=str(free_port()))

    assert done.returncode == 1
    assert "KAFKA_BOOTSTRAP_SERVERS=not-an-address: write it as HOST:PORT" in done.stderr
    assert not (machine.home / "kafka").exists()


def test_kafka_commands_refuse_a_foreign_kafka(machine: Machine) -> None:
    """With a Kafka of the user's own there is none of ours to start or stop."""
    done = machine.tandem("kafka", "start", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9092")

    assert done.returncode == 1
    assert "Unset it to use the embedded one" in done.stderr


def test_an_impossible_setting(machine: Machine) -> None:
    """The message has the variable's own name."""
    done = machine.tandem("kafka", "status", TANDEM_KAFKA_PORT="abc")

    assert done.returncode == 1
    assert "TANDEM_KAFKA_PORT: Input should be a valid integer" in done.stderr
