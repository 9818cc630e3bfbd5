"""Replays: which events of the log are sent once more, and how far that is (see `asked`). Pure."""

from __future__ import annotations

import msgspec

from shared.connections import FlowLink
from shared.domains import BUILT_IN, TRIGGERS
from shared.events.envelope import Envelope
from shared.flows.asked import Asked, AskedProgress, AskedRequest, read


class ReplayRequest(AskedRequest, kw_only=True, frozen=True):
    """What a person asked for.

    - `noun`: whose events; `flow_links`: those that get them; `types`: these alone, and `entities`: these alone, as ids
      of the vendor, if any are named.
    - `since`, `until`: when Tandem got the events, epoch milliseconds, the second one exclusive and at most the time of
      the request: what comes later is handled anyway.
    """

    noun: str
    flow_links: list[str]
    since: int
    until: int
    types: list[str] = []
    entities: list[str] = []

    def wants(self, event: Envelope, link: FlowLink) -> bool:
        """Whether an event is one of those that are sent again to a flow link."""
        if event.refused or event.type not in types_for(link) or (self.types and event.type not in self.types):
            return False
        return not self.entities or event.subject in self.entities


class ReplayProgress(AskedProgress, kw_only=True, frozen=True):
    """How far a replay is. `read`: events of the log; `offsets`: where it goes on, by partition, but for those that are
    still to be begun.
    """

    read: int = 0
    offsets: dict[str, int] = {}


_decoder: msgspec.json.Decoder[ReplayRequest | ReplayProgress] = msgspec.json.Decoder(ReplayRequest | ReplayProgress)
encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> ReplayRequest | ReplayProgress:
    """Either record. Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    return read(_decoder, value)


class Replays(Asked[ReplayRequest, ReplayProgress]):
    """Every replay's newest records."""

    def __init__(self) -> None:
        super().__init__(decode, ReplayRequest)


def types_for(link: FlowLink) -> list[str]:
    """The events of a vendor that start a link's flow: what a person asked for, a person asks for again."""
    flow = BUILT_IN.get(link.flow)
    return [name for name in (flow.triggers if flow else ()) if TRIGGERS[name].brought != "person"]
