"""What a person asks for, as an event: whoever handles it does it, by a run that can be watched."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import msgspec
from pydantic import BaseModel
from shared.domains import noun_of
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope, timestamp
from shared.identity import CONSOLE_SOURCE, Ref, run_id

from console.api.asked import LinkAsked
from console.api.state import State


def new_id() -> str:
    """A request's own id: asked twice, it is done twice."""
    return f"req_{uuid.uuid4().hex}"


def event_about(
    about: str,
    trigger: str,
    body: BaseModel,
    connection: str,
    *,
    app_account: str = "",
    event_id: str = "",
    now: datetime | None = None,
) -> Envelope:
    """The event of a request about an entity, by its full ref; `app_account` is that of the connection, where it is not
    the entity's.
    """
    ref = Ref.parse(about)
    return Envelope(
        id=event_id or new_id(),
        source=CONSOLE_SOURCE,
        type=trigger,
        subject=ref.id,
        time=timestamp(now or datetime.now(UTC)),
        appaccount=app_account or ref.account,
        connection=connection,
        aggregate=about,
        data=msgspec.Raw(body.model_dump_json().encode()),
    )


async def append(state: State, event: Envelope, flow_link: str) -> LinkAsked:
    """Put a request into the log, and name the run that does it. Raises Unavailable."""
    topic = state.topics.events(noun_of(event.type))
    place = await state.writer.append(topic, event.aggregate, envelopes.encode(event))
    return LinkAsked(run=run_id(flow_link, event.appaccount, event.id, str(place)), event=event.id)
