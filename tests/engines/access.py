"""How a test gets into a Kafka: the embedded ones of a session share a password, so that an address is all it needs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from console.local.kafka import EmbeddedKafka
from pydantic import SecretStr
from shared.connections import write_secret
from shared.kafka.log import client_options
from shared.kafka.login import EMBEDDED_MECHANISM, EMBEDDED_USER, password_file
from shared.settings import Settings

PASSWORD = os.environ.setdefault("TANDEM_TEST_KAFKA_PASSWORD", secrets.token_urlsafe(24))
"""In the environment, for processes of a session that start others."""
NAMES = {
    "kafka_security_protocol": "KAFKA_SECURITY_PROTOCOL",
    "kafka_sasl_mechanism": "KAFKA_SASL_MECHANISM",
    "kafka_sasl_username": "KAFKA_SASL_USERNAME",
    "kafka_sasl_password": "KAFKA_SASL_PASSWORD",
}
in_containers: set[str] = set()
"""Addresses that want no password."""


def own_kafka(home: Path, port: int) -> EmbeddedKafka:
    """An embedded Kafka under the session's password, not started yet."""
    write_secret(password_file(home), PASSWORD)
    return EmbeddedKafka(home, port)


@cache
def _somebodys() -> str:
    """The Kafka that the environment names. Settings are slow to read, and tests ask for an address often."""
    return Settings().kafka_bootstrap_servers


def fields(bootstrap: str) -> dict[str, Any]:
    """The fields of Settings for a Kafka of this session."""
    found: dict[str, Any] = {"kafka_bootstrap_servers": bootstrap}
    if bootstrap == _somebodys():
        return found  # somebody's own: the environment tells the rest
    if bootstrap in in_containers:
        return found | {"kafka_security_protocol": "PLAINTEXT"}
    return found | {
        "kafka_security_protocol": "SASL_PLAINTEXT",
        "kafka_sasl_mechanism": EMBEDDED_MECHANISM,
        "kafka_sasl_username": EMBEDDED_USER,
        "kafka_sasl_password": SecretStr(PASSWORD),
    }


def options(bootstrap: str) -> dict[str, Any]:
    """The arguments of an aiokafka client."""
    return client_options(Settings(_env_file=None, **fields(bootstrap)))


@cache
def environment(bootstrap: str) -> Mapping[str, str]:
    """The same for a process."""
    settings = Settings(**fields(bootstrap))
    found = {name: getattr(settings, field) for field, name in NAMES.items()}
    text = {name: v.get_secret_value() if isinstance(v, SecretStr) else v for name, v in found.items()}
    return {"KAFKA_BOOTSTRAP_SERVERS": bootstrap} | {name: value for name, value in text.items() if value}
