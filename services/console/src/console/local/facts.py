"""Gathers what `tandem doctor` judges: modes of files, settings, listening ports, what seals the connections."""

from __future__ import annotations

import asyncio
import ipaddress
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from aiokafka.errors import KafkaError
from shared.apps import APPS
from shared.apps.connecting import Connector
from shared.connections import Connection, Vault, encryption_keys
from shared.errors import Misconfigured, SyncError
from shared.events.topics import Topics
from shared.kafka.log import client_options
from shared.kafka.login import password_file
from shared.kafka.replica import Replica
from shared.private import OTHERS
from shared.runtime.registry import Registry
from shared.secret_files import named_files
from shared.settings import ENV_FILE, Mode, Settings

from console.addresses import public_addresses
from console.doctor import Address, Facts, FullLiveKey, Listening, NotChecked, OpenPath, SealedBy, Sealing
from console.local.environment import variable
from console.local.probe import kafka_answers

READING = 10.0
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
LISTENS = "0A"
PORTS = (
    "ingress_port",
    "ingress_admin_port",
    "console_port",
    "sandbox_port",
    "sandbox_mail_port",
    "kafka_port",
    "worker_port",
)


async def gather(settings: Settings, env_file: str = ENV_FILE) -> Facts:
    """Everything that can be seen from here; the rest is named in `not_checked`. Raises nothing that Kafka does."""
    found = _settings(settings)
    found.open_paths = _open_paths(settings, env_file)
    found.in_container = any(mark.exists() for mark in CONTAINER_MARKS)
    if found.in_container:
        why = "Tandem runs in a container: look at what the machine publishes, as with `docker ps`"
        found.not_checked.append(NotChecked(what="open ports", why=why))
    else:
        _listening(settings, found)
    await _connections(settings, found)
    return found


def _settings(settings: Settings) -> Facts:
    token = settings.console_token.get_secret_value()
    connectors = [app.connector for app in APPS.values() if app.connector.key_variable]
    full = (_full(each.key_variable, each, each.own_key(settings)) for each in connectors)
    return Facts(
        public=public_addresses(settings),
        addresses=_live_addresses(settings, connectors),
        full_live_keys=[found for found in full if found],
        host=settings.host,
        admin_host=settings.ingress_admin_host,
        token_length=len(token),
        token_characters=len(set(token)),
        kafka=settings.kafka_bootstrap_servers,
        kafka_protocol=settings.kafka_security_protocol,
        kafka_certificate="SSL" in settings.kafka_security_protocol and bool(settings.kafka_ssl_certfile),
    )


def _live_addresses(settings: Settings, connectors: Iterable[Connector]) -> list[Address]:
    """Where live keys of the environment go. One that tells no mode goes where a live one goes, if there is one."""
    modes = {each: _mode(settings, each) for each in connectors}
    live = [each for each, mode in modes.items() if mode == "live" or (mode is None and "live" in modes.values())]
    return [Address(name=each.base_variable, url=each.default_base(settings), mode="live") for each in live]


def _mode(settings: Settings, connector: Connector) -> Mode | None:
    wanted = connector.from_settings(settings)
    if wanted is None or not wanted.key:
        return None
    try:
        return connector.mode_of(wanted)
    except Misconfigured:
        return None


def _full(name: str, connector: Connector, key: str) -> FullLiveKey | None:
    found = connector.full_key(key)
    return FullLiveKey(name=name, what=found.what, remedy=found.remedy) if found else None


def _open_paths(settings: Settings, env_file: str) -> list[OpenPath]:
    home = settings.home
    named = {variable: Path(file) for variable, file in named_files(Settings, env_file).items()}
    places = [
        (home, "the home, with keys and customers' data"),
        (home / "secrets", "the folder of keys"),
        (home / "secrets/encryption.key", "what opens the stored keys"),
        (home / "secrets/portal.key", "what makes the addresses of offers' pages"),
        (password_file(home), "what opens the embedded Kafka"),
        (home / "kafka/server.properties", "what opens the embedded Kafka"),
        *((file, "the console's tables") for file in sorted(home.glob("console.sqlite3*"))),
        *((file, f"the secret that {name} names") for name, file in named.items()),
    ]
    if settings.kafka_ssl_keyfile:
        places.append((Path(settings.kafka_ssl_keyfile), "our key for your Kafka"))
    if env_file:
        places.append((Path(env_file), "settings, and the secrets among them"))
    return [opened for place, what in places if (opened := _opened(place, what))]


def _opened(place: Path, what: str) -> OpenPath | None:
    try:
        found = place.stat()
    except OSError:
        return None
    mode = stat.S_IMODE(found.st_mode)
    wanted = "700" if stat.S_ISDIR(found.st_mode) else "600"
    return OpenPath(path=str(place.resolve()), mode=f"{mode:o}", what=what, wanted=wanted) if mode & OTHERS else None


def _listening(settings: Settings, found: Facts) -> None:
    wanted = {getattr(settings, field): variable(field) for field in PORTS}
    wanted[settings.kafka_port + 1] = f"{variable('kafka_port')} + 1"
    try:
        found.listening = sorted(_sockets(wanted), key=lambda one: (one.port, one.host))
    except OSError:
        found.not_checked.append(NotChecked(what="open ports", why="this system does not list them in /proc/net"))


def _sockets(wanted: Mapping[int, str]) -> Iterator[Listening]:
    for table in ("tcp", "tcp6"):
        file = Path("/proc/net") / table
        if table == "tcp6" and not file.exists():  # a machine without IPv6
            continue
        for line in file.read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, port = local.partition(":")
            if state == LISTENS and int(port, 16) in wanted:
                number = int(port, 16)
                yield Listening(setting=wanted[number], port=number, host=_address(address))


def _address(text: str) -> str:
    """As the kernel writes it: words of four bytes, each in the machine's order (little-endian on x86-64 and arm64)."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    found = ipaddress.ip_address(b"".join(words))
    return str(getattr(found, "ipv4_mapped", None) or found)


async def _connections(settings: Settings, found: Facts) -> None:
    """The addresses, the kinds of keys and the sealing of what the log holds."""
    try:
        # A password in the home or a file of keys that cannot be read ends here too.
        connections, keys = await _read(settings), encryption_keys(settings)
    except (SyncError, KafkaError, OSError, TimeoutError) as error:
        why = getattr(error, "message", "") or str(error) or "Kafka did not answer in time"
        found.not_checked.append(NotChecked(what="connections: addresses, keys and what seals them", why=why))
        return
    for one in connections:
        name = f"the address of connection {one.id} (--api-base)"
        found.addresses.append(Address(name=name, url=one.api_base, mode=one.mode))
    if not keys:
        why = "this process has no encryption key; in Compose run `docker compose run --rm setup tandem doctor`"
        found.not_checked.append(NotChecked(what="what seals the connections' secrets", why=why))
        return
    for one in connections:
        by, key = sealed_by(one, keys)
        found.sealings.append(Sealing(connection=one.id, app=one.app, by=by))
        connector = APPS[one.app].connector if one.app in APPS else Connector()
        full = _full(f"connection {one.id}", connector, key)
        if full and key != connector.own_key(settings):
            found.full_live_keys.append(full)


async def _read(settings: Settings) -> list[Connection]:
    """What is connected now. Raises TimeoutError or Misconfigured."""
    options = {name: value for name, value in client_options(settings).items() if name != "bootstrap_servers"}
    if not await kafka_answers(settings.bootstrap_servers, **options):
        raise Misconfigured(f"no Kafka answers at {settings.bootstrap_servers}: start Tandem, or `tandem kafka start`")
    topics, registry = Topics(settings), Registry()
    folds = registry.folds(topics, with_mappings=False, with_index=False)
    async with Replica(settings, {topics.connections: folds[topics.connections]}) as replica, asyncio.timeout(READING):
        await replica.wait_ready()
    return [one for one in registry.connections.values() if one.state != "removed"]


def sealed_by(connection: Connection, keys: list[str]) -> tuple[SealedBy, str]:
    """Which of the keys opens it, and the vendor's key inside."""
    for number, key in enumerate(keys):
        try:
            return ("older" if number else "newest"), Vault([key]).open(connection).api_key
        except Misconfigured as error:
            if error.code == "changed":
                return "somebody", ""
    return "none", ""
