"""What a vendor's webhook, or a poller, brings: as an envelope, or refused with a reason. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.apps.refused import RefusedReason
from shared.connections import Connection
from shared.events.envelope import Envelope
from shared.identity import Ref, is_id, source_of

SubjectOf = Callable[[str, Any], tuple[str, str] | None]
"""What an event of a type is about, by its body, as (noun, id): asked of the domains. None if none of them tells."""


class Refused(Exception):
    """The sender's fault: `status` is a 4xx, `reason` a short code for the counter."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class NotOurs(Refused):
    """A good event that is not this connection's: `record` is what is kept of it."""

    def __init__(self, reason: RefusedReason, message: str, record: Envelope) -> None:
        super().__init__(400, reason, message)
        self.record = record


@dataclass(frozen=True)
class RawWebhook:
    """A request as it came in. `path` is what stands in the address after the connection, `read` brings the body: what
    can be refused without it is. `now` is epoch seconds.
    """

    path: Sequence[str]
    header: Callable[[bytes], bytes]
    read: Callable[[], Awaitable[bytes]]
    subject_of: SubjectOf
    now: float


def usable(found: tuple[str, str] | None) -> tuple[str, str] | None:
    """What can be no id names nothing."""
    return found if found and all(map(is_id, found)) else None


def envelope_of(
    connection: Connection, *, event_id: str, event_type: str, noun: str, entity: str, **rest: Any
) -> Envelope:
    return Envelope(
        id=event_id,
        source=source_of(connection.app_account),
        type=event_type,
        subject=entity,
        time=rest["time"],
        appaccount=connection.app_account,
        connection=connection.id,
        aggregate=str(Ref(connection.app_account, noun, entity)),
        data=msgspec.Raw(rest["data"]),
    )
