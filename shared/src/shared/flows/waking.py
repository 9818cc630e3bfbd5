"""The event that wakes what waits for news of an entity: any event of an aggregate wakes its parked runs. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from shared.events.envelope import Envelope, timestamp
from shared.identity import Ref, source_of

LOOK_REQUESTED = "tandem.look.requested"
"""No flow starts on it."""


def replayed(
    aggregate: str, event_type: str, body: Any, event_id: str, connection: str, now: datetime, cause: str
) -> Envelope:
    """An event of the vendor once more, for whoever missed it: its body is a hint, the entity is looked up."""
    entity = Ref.parse(aggregate)
    return Envelope(
        id=event_id,
        source=source_of(entity.account),
        type=event_type,
        subject=entity.id,
        time=timestamp(now),
        appaccount=entity.account,
        connection=connection,
        aggregate=aggregate,
        data=msgspec.Raw(msgspec.json.encode(body)),
        origin="replay",
        cause=cause,
    )


def look_requested(aggregate: str, event_id: str, connection: str, now: datetime, cause: str = "") -> Envelope:
    """An event of the aggregate that says nothing but that there is news."""
    entity = Ref.parse(aggregate)
    return Envelope(
        id=event_id,
        source=source_of(entity.account),
        type=LOOK_REQUESTED,
        subject=entity.id,
        time=timestamp(now),
        appaccount=entity.account,
        connection=connection,
        aggregate=aggregate,
        data=msgspec.Raw(b"{}"),
        cause=cause,
    )
