"""Events that Tandem tells itself: news of an entity, which wakes its parked runs, and an event once more. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from shared.domains import TRIGGERS
from shared.events.envelope import Envelope, Origin, timestamp
from shared.events.own import RECHECK_REQUESTED
from shared.identity import CONSOLE_SOURCE, Ref, source_of


def replayed(
    aggregate: str,
    event_type: str,
    event_id: str,
    connection: str,
    now: datetime,
    cause: str,
    origin: Origin = "replay",
    flow_link: str = "",
    *,
    dry_run: bool = False,
    choices: str = "",
) -> Envelope:
    """An event of the vendor once more, for whoever missed it: it only names the entity, which is then looked up.

    Raises KeyError for an event that nobody can send again, see `is_replayable`. Of origin `backfill` it is made from
    what a list of the vendor shows.
    """
    entity, trigger = Ref.parse(aggregate), TRIGGERS[event_type]
    recheck_body = trigger.recheck_body
    if recheck_body is None:
        raise KeyError(event_type)
    return Envelope(
        id=event_id,
        # Only a person can have asked for what no vendor tells.
        source=CONSOLE_SOURCE if trigger.brought == "person" else source_of(entity.account),
        type=event_type,
        subject=entity.id,
        time=timestamp(now),
        appaccount=entity.account,
        connection=connection,
        aggregate=aggregate,
        data=msgspec.Raw(msgspec.json.encode(recheck_body(entity.id))),
        origin=origin,
        cause=cause,
        flowlink=flow_link,
        dryrun=dry_run,
        choices=choices,
    )


def is_replayable(event_type: str) -> bool:
    """Whether an event of this type can be sent again by the id of its entity alone."""
    trigger = TRIGGERS.get(event_type)
    return trigger is not None and trigger.recheck_body is not None


def recheck_requested(aggregate: str, event_id: str, connection: str, now: datetime, cause: str = "") -> Envelope:
    """An event of the aggregate that says nothing but that there is news."""
    entity = Ref.parse(aggregate)
    return Envelope(
        id=event_id,
        source=source_of(entity.account),
        type=RECHECK_REQUESTED,
        subject=entity.id,
        time=timestamp(now),
        appaccount=entity.account,
        connection=connection,
        aggregate=aggregate,
        data=msgspec.Raw(b"{}"),
        cause=cause,
    )
