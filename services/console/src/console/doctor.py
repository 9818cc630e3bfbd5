"""What is unsafe in an installation, from facts that somebody gathered. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field
from shared.errors import Misconfigured
from shared.model import Model
from shared.setting_values import is_loopback
from shared.settings import Mode

from console.addresses import check_api_base, check_public_url
from console.api.token import SHORTEST_TOKEN

SealedBy = Literal["newest", "older", "none", "somebody"]
FEWEST_CHARACTERS = 8
"""Different ones in a token: a random one of 22 has more, `aaaa...` and `changemechangeme...` do not."""
RANDOM = "a long random value (`openssl rand -hex 32`)"


class OpenPath(Model):
    """A file or folder that others than its owner can get at."""

    path: str
    mode: str = Field(examples=["644"])
    what: str = Field(examples=["the home"])
    wanted: str = Field(examples=["700"])


class Address(Model):
    """Where the key of a connection goes."""

    name: str = Field(description="the setting or the connection")
    url: str
    mode: Mode


class Sealing(Model):
    """Which key opens a connection's secrets: the newest one, an older one, none; or they are another record's."""

    connection: str
    app: str
    by: SealedBy


class Listening(Model):
    """A port of Tandem that something listens on."""

    setting: str
    port: int
    host: str


class FullLiveKey(Model):
    """A live key that may do more than Tandem needs."""

    name: str = Field(description="the setting or the connection that holds it")
    what: str
    remedy: str


class NotChecked(Model):
    """What could not be looked at, and why."""

    what: str
    why: str


class Facts(Model):
    """All that the checks look at. No secret is among them."""

    open_paths: list[OpenPath] = []
    public: dict[str, str] = Field({}, description="public addresses by the setting's field")
    addresses: list[Address] = []
    full_live_keys: list[FullLiveKey] = []
    host: str = "127.0.0.1"
    admin_host: str = "127.0.0.1"
    token_length: int = 0
    token_characters: int = Field(0, description="different ones")
    kafka: str = Field("", description="addresses of a Kafka of one's own; empty: the embedded one")
    kafka_protocol: str = "PLAINTEXT"
    kafka_certificate: bool = Field(False, description="whether we show Kafka a certificate")
    sealings: list[Sealing] = []
    listening: list[Listening] = []
    in_container: bool = False
    not_checked: list[NotChecked] = []


class Finding(Model):
    """Something unsafe, and what to do."""

    code: str
    what: str
    remedy: str


def findings(facts: Facts) -> list[Finding]:
    """Everything that is unsafe, what lets others in first."""
    checks = (_paths, _console, _ports, _kafka, _addresses, _keys, _sealings)
    return [found for check in checks for found in check(facts)]


def _paths(facts: Facts) -> Iterator[Finding]:
    for one in facts.open_paths:
        yield Finding(
            code="open_to_others",
            what=f"{one.path} ({one.what}) has mode {one.mode}: others on this machine can get at it",
            remedy=f"chmod {one.wanted} {one.path}",
        )


def _console(facts: Facts) -> Iterator[Finding]:
    if not facts.token_length and not is_loopback(facts.host):
        yield Finding(
            code="console_unlocked",
            what=f"TANDEM_HOST is {facts.host} and TANDEM_CONSOLE_TOKEN is not set: the console does not start so",
            remedy=f"set TANDEM_CONSOLE_TOKEN to {RANDOM}, or TANDEM_HOST=127.0.0.1",
        )
    elif facts.token_length and (facts.token_length < SHORTEST_TOKEN or facts.token_characters < FEWEST_CHARACTERS):
        yield Finding(
            code="weak_console_token",
            what=f"TANDEM_CONSOLE_TOKEN can be guessed: {facts.token_length} characters, "
            f"{facts.token_characters} different ones",
            remedy=f"set it to {RANDOM} and start Tandem again",
        )


def _ports(facts: Facts) -> Iterator[Finding]:
    if facts.in_container:  # every port is the container's own: what the machine publishes is not seen from inside
        return
    proxy = "set it to 127.0.0.1 and let a proxy with a certificate stand before it"
    if not is_loopback(facts.host):
        yield Finding(
            code="open_port",
            what=f"TANDEM_HOST is {facts.host}: ingress and console speak http without TLS to whoever reaches "
            "them, and the workers' pages ask for no token",
            remedy=proxy,
        )
    if not is_loopback(facts.admin_host):
        yield Finding(
            code="open_port",
            what=f"TANDEM_INGRESS_ADMIN_HOST is {facts.admin_host}: ingress's own pages ask for no token",
            remedy="set it to 127.0.0.1, or close the port to all but your Prometheus by a firewall",
        )
    said = {host for host in (facts.host, facts.admin_host) if not is_loopback(host)}
    for one in facts.listening:
        if not is_loopback(one.host) and not (said and one.setting in BOUND_BY_SETTING):
            yield Finding(
                code="open_port",
                what=f"something listens on {one.host}:{one.port} ({one.setting}), which Tandem binds to this machine",
                remedy="stop it, or start Tandem again: it may run with other settings than those of this folder",
            )


BOUND_BY_SETTING = frozenset(
    {"TANDEM_INGRESS_PORT", "TANDEM_INGRESS_ADMIN_PORT", "TANDEM_CONSOLE_PORT", "TANDEM_WORKER_PORT"}
)
"""Ports that a setting opens to others, which is a finding of its own."""


def _kafka(facts: Facts) -> Iterator[Finding]:
    if not facts.kafka:
        return
    sasl, tls = "SASL" in facts.kafka_protocol, "SSL" in facts.kafka_protocol
    if not sasl and not facts.kafka_certificate:
        yield Finding(
            code="kafka_unauthenticated",
            what=f"Kafka at {facts.kafka} asks for no password ({facts.kafka_protocol}): whoever reaches it commands "
            "Tandem and reads customers' data",
            remedy="set up SASL and ACLs there (docs/security.md), then KAFKA_SECURITY_PROTOCOL=SASL_SSL and "
            "KAFKA_SASL_*",
        )
    if not tls and not all(is_loopback(_host(server)) for server in facts.kafka.split(",")):
        yield Finding(
            code="kafka_in_the_clear",
            what=f"what goes to Kafka at {facts.kafka} can be read on the way ({facts.kafka_protocol})",
            remedy="give Kafka a listener with TLS, then KAFKA_SECURITY_PROTOCOL=SASL_SSL and KAFKA_SSL_CAFILE",
        )


def _host(server: str) -> str:
    return server.strip().rpartition(":")[0]


def _addresses(facts: Facts) -> Iterator[Finding]:
    for field, url in facts.public.items():
        try:
            check_public_url(url, field)
        except Misconfigured as error:
            yield Finding(code="http_address", what=error.message, remedy="correct it in the environment or .env")
    for one in facts.addresses:
        try:
            check_api_base(one.url, one.name, one.mode)
        except Misconfigured as error:
            remedy = f"correct {one.name}, and make a new key at the vendor: the present one may have been read"
            yield Finding(code="http_address", what=error.message, remedy=remedy)


def _keys(facts: Facts) -> Iterator[Finding]:
    for one in facts.full_live_keys:
        yield Finding(code="full_live_key", what=f"{one.name} holds {one.what}", remedy=one.remedy)


def _sealings(facts: Facts) -> Iterator[Finding]:
    for one in facts.sealings:
        add = f"connect it again: tandem connections add {one.app} {one.connection}"
        match one.by:
            case "older":
                yield Finding(
                    code="sealed_by_older_key",
                    what=f"the secrets of connection {one.connection} are sealed by an older encryption key",
                    remedy="restart all processes, so that they know the newest key; then tandem connections rekey; "
                    "then take the older keys out and restart again",
                )
            case "none":
                yield Finding(
                    code="sealed_by_unknown_key",
                    what=f"no key of TANDEM_ENCRYPTION_KEYS opens the secrets of connection {one.connection}",
                    remedy=f"add the former key after the newest one and run `tandem connections rekey`, or {add}",
                )
            case "somebody":
                yield Finding(
                    code="changed_by_somebody",
                    what=f"the record of connection {one.connection} was changed by somebody else than Tandem",
                    remedy=f"find out who can write to Kafka, then {add}",
                )
