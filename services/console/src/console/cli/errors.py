"""Known errors become one clear line and exit code 1; anything else is a bug and keeps its traceback."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_settings import SettingsError
from shared.errors import StopWorker, SyncError
from shared.settings import Settings

from console.local.environment import variable
from console.local.errors import LocalError

KNOWN = (LocalError, SyncError, StopWorker, SettingsError)


def settings() -> Settings:
    """The settings of this run.

    Raises LocalError with one line per setting that has an impossible value.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"{_name(problem['loc'])}: {problem['msg']}" for problem in error.errors(include_input=False)]
        raise LocalError(
            "A setting has an impossible value; change it in the environment or .env.\n  " + "\n  ".join(lines)
        ) from None


def _name(place: tuple[int | str, ...]) -> str:
    field = str(place[0]) if place else "settings"
    return variable(field) if field in Settings.model_fields else field.upper()
