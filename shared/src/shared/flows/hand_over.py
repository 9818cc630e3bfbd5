"""A run whose next action is another service's goes there as an event, keyed by what that action acts on. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from shared.errors import Malformed
from shared.events.envelope import Envelope, timestamp
from shared.events.own import HANDED_OVER
from shared.flows.runs import Run
from shared.identity import RUNS_SOURCE, Ref


class HandOver(msgspec.Struct, kw_only=True, frozen=True):
    """A run with what its steps gave so far, the trigger's output, and the step that comes next. `known` is the name of
    what the event was taken for: whoever goes on knows no more.
    """

    run: Run
    step: str
    trigger: dict[str, Any]
    known: str = ""


_decoder = msgspec.json.Decoder(HandOver)


def handed_over(work: HandOver, aggregate: str, connection: str, event: Envelope, now: datetime) -> Envelope:
    """The event that brings a run to another service. `event` is the one that is worked on: its lane stays."""
    entity = Ref.parse(aggregate)
    return Envelope(
        id=f"{work.run.id}-{work.step}",
        source=RUNS_SOURCE,
        type=HANDED_OVER,
        subject=entity.id,
        time=timestamp(now),
        appaccount=entity.account,
        connection=connection,
        aggregate=aggregate,
        data=msgspec.Raw(msgspec.json.encode(work)),
        origin=event.origin,
        cause=work.run.id,
        dryrun=event.dryrun,
        choices=event.choices,
    )


def read(envelope: Envelope) -> HandOver:
    """What an event hands over. Raises Malformed."""
    try:
        return _decoder.decode(envelope.data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"the event hands over no run: {error}") from error
