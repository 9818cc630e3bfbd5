"""A time that a person writes: a day or a time, in UTC if it does not say, whatever this machine's own zone is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

AS = "write it as 2026-11-01, or as 2026-11-01T12:00:00Z"


def parsed(value: Any) -> Any:
    """Raises ValueError with an example for what is no time. What is no text pydantic judges."""
    if not isinstance(value, str):
        return value
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise ValueError(f"{value[:50]!r} is no time: {AS}") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


When = Annotated[datetime, BeforeValidator(parsed)]
