"""What a person can set of a connection: its publishable key, and how fast its account may be called. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from shared.apps import APPS
from shared.connections import Connection
from shared.errors import Misconfigured

KEY = "publishable_key"
SHARES = ("polling_share", "background_share")
NAMES = (KEY, "quota", *SHARES)
SHORT = 15
"""More than so many characters of a key are not repeated."""


def with_options(connection: Connection, given: Sequence[str], now: str) -> Connection:
    """The connection with each `name=value` set, or taken away where the value is empty. Raises Misconfigured."""
    if not given:
        raise Misconfigured(f"write what to set as NAME=VALUE; the names are {', '.join(NAMES)}")
    for option in given:
        name, between, value = (part.strip() for part in option.partition("="))
        if not between or name not in NAMES:
            raise Misconfigured(
                f"{option[:SHORT]!r} is nothing that a connection has: write NAME=VALUE with one of {', '.join(NAMES)}"
            )
        if name == KEY:
            APPS[connection.app].connector.check_publishable(connection, value)
            connection = msgspec.structs.replace(connection, publishable_key=value)
        else:
            limits = msgspec.structs.replace(connection.limits, **{name: _number(name, value)})
            connection = msgspec.structs.replace(connection, limits=limits)
    return msgspec.structs.replace(connection, changed_at=now)


def _number(name: str, value: str) -> float:
    """0 for nothing, which leaves it to the settings. Raises Misconfigured."""
    if not value:
        return 0.0
    share = name in SHARES
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < (1 if share else 1e6):
        what = "a share between 0 and 1, as 0.05" if share else "calls a second, as 25"
        raise Misconfigured(f"{name}={value[:SHORT]!r} cannot be: give {what}; `{name}=` leaves it to the settings")
    return number


def shown(connection: Connection) -> list[str]:
    """What is set, as it is written; the rest is left to the settings."""
    numbers = {name: getattr(connection.limits, name) for name in NAMES if name != KEY}
    found = [f"{KEY}={connection.publishable_key or '(none)'}"]
    return found + [f"{name}={number:g}" if number else f"{name}=(by the settings)" for name, number in numbers.items()]


def limits_shown(limits: Mapping[str, float]) -> str:
    """What is set of the limits, as it is written; empty if nothing is."""
    return ", ".join(f"{name}={number:g}" for name, number in limits.items())
