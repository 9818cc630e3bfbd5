"""The environment of a part: every setting written out, so that no part depends on where it was started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import AliasChoices, SecretStr
from shared.settings import Settings


def variable(field: str) -> str:
    """The environment variable that sets a field of Settings."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{Settings.model_config['env_prefix']}{field}".upper()


def as_text(value: object) -> str:
    """A setting's value as the environment holds it, empty for one that is not set."""
    match value:
        case None:
            return ""
        case SecretStr():
            return value.get_secret_value()
        case bool():
            return str(value).lower()
        case list():
            return ",".join(as_text(item) for item in value)
        case dict():
            return ",".join(f"{name}={as_text(item)}" for name, item in value.items())
        case Path():
            return str(value.resolve())
        case _:
            return str(value)


def environment(settings: Settings, own: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with every setting as `settings` has it, and `own` on top."""
    values = {variable(field): as_text(getattr(settings, field)) for field in Settings.model_fields}
    rest = {name: value for name, value in os.environ.items() if name not in values}
    return {**rest, "PYTHONUNBUFFERED": "1", **{name: value for name, value in values.items() if value}, **(own or {})}
