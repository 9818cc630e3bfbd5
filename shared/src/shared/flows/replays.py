"""Replays: which events of the log are sent once more, and how far that is (see `asked`). Pure."""

from __future__ import annotations

import msgspec

from shared.events.envelope import SCHEMA_VERSION, Envelope, check_version
from shared.flows.asked import ENDED, Asked, AskedState, Wanted


class ReplayRequest(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, tag_field="record", tag="request"):
    """What a person asked for.

    - `noun`: whose events; `flow_links`: those that get them; `types`: these alone, and `entities`: these alone, as ids
      of the vendor, if any are named.
    - `since`, `until`: when Tandem got the events, epoch milliseconds, the second one exclusive and at most the time of
      the request: what comes later is handled anyway.
    - `dry_run`: it is judged what each would do, and nothing is written.
    - `wanted`: what is to become of it; a person changes it.
    """

    id: str
    noun: str
    flow_links: list[str]
    requested_at: str
    since: int
    until: int
    types: list[str] = []
    entities: list[str] = []
    dry_run: bool = False
    wanted: Wanted = "run"
    changed_at: str = ""
    schemaversion: str = SCHEMA_VERSION

    @property
    def key(self) -> str:
        return f"{self.id}/request"

    def wants(self, event: Envelope, types: frozenset[str]) -> bool:
        """Whether an event is one of those that are sent again. `types` are those that start one of the flows."""
        if event.refused or event.type not in types or (self.types and event.type not in self.types):
            return False
        return not self.entities or event.subject in self.entities


class ReplayProgress(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, tag_field="record", tag="progress"):
    """How far a replay is. `read`: events of the log; `written`: events that were sent again.

    - `offsets`: where it goes on, by partition; one that is not named is still to be begun.
    - `problem`: why it does not go on just now, or why it failed.
    """

    id: str
    state: AskedState = "running"
    read: int = 0
    written: int = 0
    offsets: dict[str, int] = {}
    started_at: str = ""
    updated_at: str = ""
    ended_at: str = ""
    problem: str = ""
    schemaversion: str = SCHEMA_VERSION

    @property
    def key(self) -> str:
        return f"{self.id}/progress"

    @property
    def ended(self) -> bool:
        return self.state in ENDED


_decoder = msgspec.json.Decoder(ReplayRequest | ReplayProgress)
encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> ReplayRequest | ReplayProgress:
    """Either record. Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    found: ReplayRequest | ReplayProgress = _decoder.decode(value)
    check_version(found.schemaversion)
    return found


class Replays(Asked[ReplayRequest, ReplayProgress]):
    """Every replay's newest records."""

    def __init__(self) -> None:
        super().__init__(decode, ReplayRequest)
