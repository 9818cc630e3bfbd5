"""What is known of a pair's fields: what both sides agreed on last, what is being written, what differs.

One record per pair and side, in a compacted topic: each side's events are worked on strictly one at a time, so each
record has one writer. Both together are the pair's state. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shared.events.envelope import SCHEMA_VERSION, check_version
from shared.linking.mappings import Mapping as Pair
from shared.linking.mappings import app_of

Side = str
"""The app of one of the two entities of a pair."""
CLOCKS_APART = 5.0
"""Seconds by which a vendor's clock and ours may differ: what a vendor dates earlier may have happened before."""
REMEMBERED_FOR = 600.0
"""Seconds after which a write whose end nobody saw is not expected to land any more."""


class Write(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A write that is about to be sent: digests of what it sets, by field. `at` is epoch seconds. `replaces` are the
    field writes with what stands there, for whoever goes on with the run.
    """

    run: str
    to: Side
    fields: dict[str, str]
    at: float
    replaces: list[dict[str, Any]] = []


class Difference(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A field whose values differ and stay so: who owns it, each side's value as JSON text, and why. `refused` is a
    mark of a value that the vendor refused, and of what else that may depend on: the same is not sent again.
    """

    owner: Side
    values: dict[Side, str]
    reason: str
    since: str
    refused: str = ""


class PairState(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One side's record of a pair, keyed by `mapping/side`.

    - `pair`: the two refs, and `link` the run that linked them; a record of a former link says nothing about the
      present one, also if it joined the same two.
    - `agreed`: digest of the owner's value that the other side was last equal to or set to, by field.
    - `open`: writes that were begun and whose end nobody saw, newest last: one may still land.
    - `writes`: epoch seconds of the last writes to the pair; `overwrites`: of the first contact that replaced filled
      values by others, 0 if none did.
    - `differences`: by field.
    - `shown`: by side, digest of what the comparison saw or wrote there; none where that is not certain.
    - `seen_at`: by side, epoch seconds of the last check of it, by the clock of its events: what they date earlier may
      be older than that check.
    - `settled`: a counter: each comparison sets it above both': `agreed`, `differences` and `shown` of the record with
      the higher one hold. Its place in the log does not tell, for a write is announced and taken back with older ones.
    """

    mapping: str
    side: Side
    pair: list[str]
    link: str = ""
    agreed: dict[str, str] = {}
    open: list[Write] = []
    writes: list[float] = []
    overwrites: float = 0.0
    differences: dict[str, Difference] = {}
    shown: dict[Side, str] = {}
    seen_at: dict[Side, float] = {}
    settled: int = 0
    at: str = ""
    schemaversion: str = SCHEMA_VERSION

    @property
    def key(self) -> str:
        return f"{self.mapping}/{self.side}"


_decoder = msgspec.json.Decoder(PairState)
encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> PairState:
    """Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    state = _decoder.decode(value)
    check_version(state.schemaversion)
    return state


def sides_of(pair: Pair) -> tuple[Side, ...]:
    """The apps of a pair's two entities."""
    return tuple(app_of(ref) for ref in pair.refs)


def other_side(pair: Pair, side: Side) -> Side:
    """The app of the entity across."""
    return next(app for app in sides_of(pair) if app != side)


@dataclass(frozen=True)
class Known:
    """Both sides' records of a pair in one view; `records` are what it was made of."""

    agreed: dict[str, str] = field(default_factory=dict)
    open: tuple[Write, ...] = ()
    writes: tuple[float, ...] = ()
    differences: dict[str, Difference] = field(default_factory=dict)
    shown: dict[Side, str] = field(default_factory=dict)
    seen_at: dict[Side, float] = field(default_factory=dict)
    records: dict[Side, PairState] = field(default_factory=dict)

    def is_as_seen(self, side: Side, content: str) -> bool:
        """Whether a side shows what the last comparison left there, and no write of ours may still land."""
        return not self.open and self.shown.get(side) == content

    def is_newer(self, side: Side, at: float) -> bool:
        """Whether an event of a side from that time shows it later than the last check did."""
        return side in self.seen_at and at > self.seen_at[side]


class PairStates:
    """Every pair's records. Fold them in order of their offsets."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, PairState]] = {}
        self._overwrites: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def apply(self, offset: int, state: PairState) -> None:
        """Fold one record."""
        self._known[state.key] = (offset, state)
        if state.overwrites:
            self._overwrites[state.mapping] = state.overwrites
            self._overwrites.move_to_end(state.mapping)
            while next(iter(self._overwrites.values())) < state.overwrites - REMEMBERED_FOR:
                self._overwrites.popitem(last=False)

    def overwritten(self, since: float) -> set[str]:
        """Pairs whose first contact replaced filled values since a time (epoch seconds, ten minutes back at most)."""
        return {mapping for mapping, at in self._overwrites.items() if at >= since}

    def own(self, pair: Pair, side: Side) -> PairState:
        """One side's record, a fresh one if there is none of this link."""
        found = self._known.get(f"{pair.id}/{side}")
        if found and _is_of(found[1], pair):
            return found[1]
        return PairState(mapping=pair.id, side=side, pair=list(pair.refs), link=pair.run)

    def known(self, pair: Pair) -> Known:
        """Both records in one: what was settled later holds."""
        found = [self._known[key] for side in sides_of(pair) if (key := f"{pair.id}/{side}") in self._known]
        records = sorted((e for e in found if _is_of(e[1], pair)), key=lambda entry: (entry[1].settled, entry[0]))
        if not records:
            return Known()
        agreed: dict[str, str] = {}
        for _, state in records:
            agreed |= state.agreed
        return Known(
            agreed=agreed,
            open=tuple(write for _, state in records for write in state.open),
            writes=tuple(sorted(when for _, state in records for when in state.writes)),
            differences=records[-1][1].differences,
            shown=records[-1][1].shown,
            seen_at=later(*(state.seen_at for _, state in records)),
            records={state.side: state for _, state in records},
        )


def later(*times: Mapping[Side, float]) -> dict[Side, float]:
    """By side the latest of several times."""
    sides = {side for known in times for side in known}
    return {side: max(known.get(side, 0.0) for known in times) for side in sides}


def _is_of(state: PairState, pair: Pair) -> bool:
    return state.pair == list(pair.refs) and state.link == pair.run
