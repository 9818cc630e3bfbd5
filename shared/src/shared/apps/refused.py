"""Events that a vendor sent to a connection they are not for: taken, so that the vendor does not switch its endpoint
off, recorded, and never acted on. Pure.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from shared.connections import Connection
from shared.events.envelope import Envelope
from shared.identity import Ref, source_of

REFUSED_TYPE = "tandem.event.refused"
"""No trigger has this name, so that no flow can start on it; the vendor's own type stands in the body."""

RefusedReason = Literal["wrong_mode", "other_account"]
WHAT: dict[RefusedReason, str] = {
    "wrong_mode": "of the other mode",
    "other_account": "of a connected account",
}
"""What is wrong with them, in words; the app says what a person does about it."""


def refused_event(
    connection: Connection, reason: RefusedReason, *, event_id: str, time: str, data: bytes | msgspec.Raw
) -> Envelope:
    """The record of an event that is not the connection's. `data` is the vendor's body."""
    return Envelope(
        id=event_id,
        source=source_of(connection.app_account),
        type=REFUSED_TYPE,
        subject=event_id,
        time=time,
        appaccount=connection.app_account,
        connection=connection.id,
        aggregate=str(Ref(connection.app_account, "event", event_id)),
        data=msgspec.Raw(data),
        refused=reason,
    )
