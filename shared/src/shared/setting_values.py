"""How the text of a setting becomes its value, and what that must keep to. Pure; `settings.py` has the settings."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr

OWNED_FIELDS = ("name", "email", "phone", "address")
"""The fields of a customer that travel always; chosen metadata keys come on top, as `metadata.KEY`."""

METADATA_KEYS_LIMIT, METADATA_KEY_LIMIT = 50, 40
"""Metadata keys of a Stripe object, and characters of a key, which takes no square brackets (Stripe's reference)."""
OWN_METADATA = frozenset({"togai_customer_id", "togai_account_id", "togai_status"})
"""Metadata keys that Tandem writes to Stripe customers."""


def cleaned(values: Iterable[str]) -> list[str]:
    """Without blanks around each, and without those that are nothing but blanks."""
    return [text for value in values if (text := value.strip())]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class MailServer(NamedTuple):
    """Where mails are handed over; `tls` from the first byte on, else by STARTTLS."""

    host: str
    port: int
    user: str
    password: str
    tls: bool


MAIL_PORTS = {"smtp": 587, "smtps": 465}
"""RFC 8314: submission, and submission over TLS."""


def mail_server(url: str) -> MailServer | None:
    """None for an empty one. Raises ValueError, which shows nothing of it, for what is no mail server's address."""
    if not url:
        return None
    wanted = "write it as smtps://USER:PASSWORD@HOST or smtp://HOST:PORT; in a password, % and @ as %25 and %40"
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError as error:
        raise ValueError(wanted) from error
    if found.scheme not in MAIL_PORTS or not found.hostname or found.path.strip("/") or found.query:
        raise ValueError(wanted)
    user, password = unquote(found.username or ""), unquote(found.password or "")
    return MailServer(found.hostname, port or MAIL_PORTS[found.scheme], user, password, found.scheme == "smtps")


def mail_url(value: SecretStr) -> SecretStr:
    """Raises ValueError for what is no address of a mail server."""
    stripped = secret(value)
    mail_server(stripped.get_secret_value())
    return stripped


def time_zone(value: str) -> str:
    """Raises ValueError for a name that no time zone has."""
    try:
        ZoneInfo(value)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ValueError(f"{value!r} is no time zone: name one as Europe/Berlin") from error
    return value


def texts(value: object) -> object:
    """A list that is written with commas."""
    return cleaned(value.split(",")) if isinstance(value, str) else value


def secrets(value: object) -> object:
    """A list of secrets that is written with commas. Raises ValueError if there is something, and no secret in it."""
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list):
        return value
    found = cleaned(v.get_secret_value() if isinstance(v, SecretStr) else str(v) for v in given)
    if value and not found:
        raise ValueError("it holds nothing but blanks: write a secret, or leave it out")
    return found


def secret(value: SecretStr) -> SecretStr:
    """A line's end or a blank comes along when a key is copied, or read from a file."""
    return SecretStr(value.get_secret_value().strip())


def pairs(text: str, example: str) -> list[tuple[str, str]]:
    """`A=B,C=D`, without blanks. Raises ValueError that shows the example."""
    found = [part.split("=", 1) for part in text.split(",") if part.strip()]
    if any(len(pair) != 2 for pair in found):
        raise ValueError(f"write it as {example}")
    return [(name.strip(), value.strip()) for name, value in found]


def currencies(value: object) -> object:
    """Currencies by country. Raises ValueError for what is no pairs."""
    if not isinstance(value, str):
        return value
    return {country.upper(): currency.upper() for country, currency in pairs(value, "DE=EUR,GB=GBP")}


def metadata_keys(value: list[str]) -> list[str]:
    """Raises ValueError for keys that Stripe does not take, or that Tandem writes itself, and for too many."""
    if wrong := [key for key in value if len(key) > METADATA_KEY_LIMIT or set("[]") & set(key)]:
        raise ValueError(
            f"Stripe takes metadata keys of {METADATA_KEY_LIMIT} characters without [ and ]: {', '.join(wrong)}"
        )
    if own := sorted({*value} & OWN_METADATA):
        raise ValueError(f"Tandem writes {', '.join(own)} itself: leave it out")
    if len(value) > METADATA_KEYS_LIMIT - len(OWN_METADATA):
        raise ValueError(f"Stripe takes {METADATA_KEYS_LIMIT} metadata keys, {len(OWN_METADATA)} of them are Tandem's")
    return value


def owners(value: object) -> object:
    """The side that owns each field. Raises ValueError for a field that there is not."""
    if not isinstance(value, str):
        return value
    found = {name: owner.lower() for name, owner in pairs(value, "name=togai,email=stripe")}
    unknown = [n for n in found if n not in (*OWNED_FIELDS, "metadata") and not n.startswith("metadata.")]
    if unknown:
        raise ValueError(f"no field is called {', '.join(unknown)}: {', '.join(OWNED_FIELDS)}, metadata.KEY")
    return found
