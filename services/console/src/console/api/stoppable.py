"""What a person asked for that goes on page by page, an import or a replay: where it is, and how it is stopped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec
from shared.events.envelope import timestamp
from shared.flows.asked import AskedProgress, AskedRequest, R, Wanted

from console.api.errors import NotNow

Change = Literal["pause", "resume", "cancel"]
StateName = Literal["requested", "running", "paused", "cancelled", "failed", "working", "done"]
WANTED: dict[Change, Wanted] = {"pause": "pause", "resume": "run", "cancel": "cancel"}


def state_of(request: AskedRequest, progress: AskedProgress | None, *, handled: bool) -> StateName:
    """Where it is. `handled`: whether all that was written is."""
    if progress is None:
        states: dict[Wanted, StateName] = {"run": "requested", "pause": "paused", "cancel": "cancelled"}
        return states[request.wanted]
    if progress.state != "listed":
        return progress.state
    return "done" if handled else "working"


def changed(what: str, request: R, progress: AskedProgress | None, change: Change) -> R:
    """The request as a person wants it from now on. Raises NotNow for one that has ended; `what` is its noun."""
    if progress and progress.ended:
        raise NotNow(
            f"{what} {request.id} has ended: it is {progress.state}",
            f"see `tandem {what}s show {request.id}`",
            code="ended",
        )
    return msgspec.structs.replace(request, wanted=WANTED[change], changed_at=timestamp(datetime.now(UTC)))
