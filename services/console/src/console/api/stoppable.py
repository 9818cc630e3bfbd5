"""What a person asked for that goes on page by page, an import or a replay: where it is, and how it is stopped."""

from __future__ import annotations

from collections.abc import Sequence
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
    """Where it is. `handled`: whether all that was written is. What was written is stopped too."""
    if progress is None:
        states: dict[Wanted, StateName] = {"run": "requested", "pause": "paused", "cancel": "cancelled"}
        return states[request.wanted]
    if progress.state != "listed":
        return progress.state
    if request.wanted != "run":
        return "paused" if request.wanted == "pause" else "cancelled"
    return "done" if handled else "working"


def changed(what: str, request: R, state: StateName, change: Change, *, waiting: int, flow_links: Sequence[str]) -> R:
    """The request as a person wants it from now on. `what` is its noun, `waiting` how many of its runs wait.

    Raises NotNow where nothing of it is left to stop.
    """
    if state in ("cancelled", "failed") or request.wanted == "cancel" or (state == "done" and not waiting):
        off = " or ".join(f"`tandem flow-links disable {name}`" for name in flow_links)
        raise NotNow(
            f"{what} {request.id} has ended: it is {'cancelled' if request.wanted == 'cancel' else state}",
            f"see `tandem {what}s show {request.id}`; what its flow link does with new events stops with {off}",
            code="ended",
        )
    return msgspec.structs.replace(request, wanted=WANTED[change], changed_at=timestamp(datetime.now(UTC)))
