"""Bulk imports: what was asked for, and how far it is (see `asked`). Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from shared.connections import FlowLink
from shared.domains import BUILT_IN, aliases_of, trigger_alias
from shared.domains.model import ImportKind
from shared.events.envelope import timestamp
from shared.flows.asked import Asked, AskedProgress, AskedRequest, read


class ImportRequest(AskedRequest, kw_only=True, frozen=True):
    """What a person asked for, `tandem.import.requested`.

    - `kind`: what is imported, as `customers`; `flow_link`: the one that handles what is found.
    - `created_from`, `created_until`: epoch seconds, the second one exclusive; what was made outside is left out. The
      end is at most the time of the request: what is made later comes as events.
    - `ids`: these alone, if any are named.
    - `choices`: what becomes of conflicts, by their kind; `target`: the connection at the other side.
    - `runner`: the process that runs it in the foreground; empty: ingress does.
    """

    kind: str
    flow_link: str
    connection: str
    created_until: int
    created_from: int = 0
    ids: list[str] = []
    choices: dict[str, str] = {}
    target: str = ""
    runner: str = ""


class Slice(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A part of the time in which what is listed was made, from `begin` on, before `end`, and how far it is read.

    - `cursor`: where the next page begins, in the vendor's own terms; `reached`: when the last entity that was written
      was made (epoch seconds; 0 where the vendor does not tell). Lists are newest first then.
    - `edge`: the written ones that were made in that second: should the cursor be refused, the second is listed again
      without them.
    - `span`: how many seconds the last page went back.
    """

    begin: int
    end: int
    cursor: str = ""
    reached: int = 0
    edge: list[str] = []
    listed: int = 0
    span: int = 0
    done: bool = False

    @property
    def left(self) -> int:
        """Seconds that are still to be listed, beside that which the last page ended in."""
        return 0 if self.done else (self.reached or self.end) - self.begin


class ImportProgress(AskedProgress, kw_only=True, frozen=True):
    """How far an import is. `listed`: read from the vendor.

    - `slices`: the parts that are listed side by side, each with how far it is.
    - `standing`, `quota`: of a dry run how many stand at the other side already, counted up to the quota there.
    """

    listed: int = 0
    slices: list[Slice] = []
    standing: int = 0
    quota: int = 0


@dataclass(frozen=True)
class Selection:
    """What of a kind is imported, and how: everything, if nothing is said. Times are epoch seconds."""

    created_from: int = 0
    created_until: int = 0
    ids: tuple[str, ...] = ()
    dry_run: bool = False
    choices: Mapping[str, str] = field(default_factory=dict)


def new_request(kind: ImportKind, link: FlowLink, selection: Selection, now: float, runner: str = "") -> ImportRequest:
    """An import that begins now: what is made later comes as events. `now` is epoch seconds."""
    until = int(now) + 1
    connections = {app: link.connections[alias] for alias, app in aliases_of(BUILT_IN[kind.flow]).items()}
    return ImportRequest(
        id=f"imp_{uuid.uuid4().hex[:12]}",
        kind=kind.name,
        flow_link=link.id,
        connection=link.connections[trigger_alias(BUILT_IN[kind.flow])],
        requested_at=timestamp(datetime.fromtimestamp(now, UTC)),
        created_from=selection.created_from,
        created_until=min(selection.created_until or until, until),
        ids=list(dict.fromkeys(selection.ids)),
        dry_run=selection.dry_run,
        choices=dict(selection.choices),
        target=connections.get(kind.target.app, ""),
        runner=runner,
    )


REPORTS_EVERY = 20.0
"""Seconds after which whoever runs an import in the foreground writes how far it is, also where nothing has changed."""
UNATTENDED_AFTER = 3 * REPORTS_EVERY
"""Seconds after which nobody runs it any more."""


def unattended_since(request: ImportRequest, progress: ImportProgress | None, now: datetime) -> str:
    """When an import in the foreground was last run (RFC 3339), if its process died; empty otherwise."""
    if not request.runner or request.wanted == "cancel" or (progress and progress.state != "running"):
        return ""
    last = (progress.updated_at or progress.started_at if progress else "") or request.requested_at
    return last if (now - datetime.fromisoformat(last)).total_seconds() > UNATTENDED_AFTER else ""


_decoder: msgspec.json.Decoder[ImportRequest | ImportProgress] = msgspec.json.Decoder(ImportRequest | ImportProgress)
encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> ImportRequest | ImportProgress:
    """Either record. Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    return read(_decoder, value)


class Imports(Asked[ImportRequest, ImportProgress]):
    """Every import's newest records."""

    def __init__(self) -> None:
        super().__init__(decode, ImportRequest)
