"""The environment of a part: every setting written out, so that no part depends on where it was started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr
from shared.secret_files import file_variable, secret_fields
from shared.settings import Settings

from shared import secret_files


def variable(field: str) -> str:
    """The environment variable that sets a field of Settings."""
    return secret_files.variable(Settings, field)


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
    """This process's environment with every setting as `settings` has it, and `own` on top.

    Secrets that were read from files go on as values, so neither their files nor those of `.env` are read again.
    """
    values = {variable(field): as_text(getattr(settings, field)) for field in Settings.model_fields}
    files = {file_variable(Settings, field) for field in secret_fields(Settings)}
    rest = {name: value for name, value in os.environ.items() if name not in values and name not in files}
    fixed = {"PYTHONUNBUFFERED": "1", "TANDEM_ENV_FILE": ""}
    return {**rest, **fixed, **{name: value for name, value in values.items() if value}, **(own or {})}
