"""How a client proves who it is: to a Kafka of one's own as the settings say, to the embedded one by a password that
lies in the home, which only the home's owner reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from shared.errors import Misconfigured
from shared.settings import Settings

EMBEDDED_USER = "tandem"
EMBEDDED_MECHANISM = "SCRAM-SHA-256"
"""Whoever listens on the port while our Kafka is off learns no password by it, as by PLAIN he would."""


class Login(NamedTuple):
    """Security protocol, SASL mechanism, user and password, in Kafka's own words; the last three empty without SASL."""

    protocol: str
    mechanism: str = ""
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Login({self.protocol}, {self.mechanism}, {self.user}, ***)"

    @property
    def sasl(self) -> bool:
        return "SASL" in self.protocol


def password_file(home: Path) -> Path:
    """Where the password of the embedded Kafka lies, mode 600 in a folder of mode 700."""
    return home / "secrets" / "kafka.password"


def embedded_login(home: Path) -> Login:
    """For the embedded Kafka of a home. Raises Misconfigured if it was never started."""
    file = password_file(home)
    try:
        password = file.read_text().strip()
    except FileNotFoundError:
        raise Misconfigured(
            f"there is no password of the embedded Kafka in {file}: its first start makes it (`tandem up` or `tandem "
            "kafka start`); check that TANDEM_HOME is the folder that it was started with"
        ) from None
    return Login("SASL_PLAINTEXT", EMBEDDED_MECHANISM, EMBEDDED_USER, password)


def login_of(settings: Settings) -> Login:
    """For the Kafka of the settings. Raises Misconfigured as `embedded_login` does."""
    if settings.embedded_kafka:
        return embedded_login(settings.home)
    if "SASL" not in settings.kafka_security_protocol:
        return Login(settings.kafka_security_protocol)
    password = settings.kafka_sasl_password.get_secret_value()
    return Login(
        settings.kafka_security_protocol, settings.kafka_sasl_mechanism, settings.kafka_sasl_username, password
    )
