"""Why a run did not go on, from an error to what its record says. Pure."""

from __future__ import annotations

import traceback

from shared.errors import LONGEST_MESSAGE, Blocked, Conflict, ConnectionClosed, Held, Retryable, SyncError
from shared.flows.runs import RunError
from shared.scrub import scrub


def problem_of(error: BaseException) -> RunError:
    """Why, as data. A bug keeps its traceback."""
    if isinstance(error, SyncError):
        return RunError(
            error=type(error).__name__,
            reason=error.message,
            code=error.code,
            retryable=isinstance(error, Retryable),
            candidates=list(error.candidates) if isinstance(error, Conflict) else [],
            separable=isinstance(error, Conflict) and error.separable,
            connection=error.connection if isinstance(error, ConnectionClosed | Blocked) else "",
            blocker=error.blocker if isinstance(error, Held) else "",
        )
    text = scrub("".join(traceback.format_exception(error)))
    return RunError(error=type(error).__name__, reason=_shown(str(error) or repr(error)), traceback=text[-8000:])


def _shown(text: str) -> str:
    return scrub(text)[:LONGEST_MESSAGE]
