"""Mappings in little memory: each packed to bytes, found by 64-bit keys. Pure.

A linked pair as an object with its strings takes some 1,200 bytes; packed, with all that finds it, less than 300.
"""

from __future__ import annotations

from array import array
from typing import Any, get_args

import msgspec
from preshed.maps import PreshMap

from shared.events.envelope import SCHEMA_VERSION
from shared.linking.mappings import MAKING_RULES, Claim, Mapping, MappingState, Rule, app_of

STATES: tuple[MappingState, ...] = get_args(MappingState)
RULES: tuple[Rule, ...] = get_args(Rule)
_STATE = {state: number for number, state in enumerate(STATES)}
_RULE = {rule: number for number, rule in enumerate(RULES)}
_SEVERAL = 1 << 63
RARE = ("also", "match", "reason", "claim", "schemaversion", "refused", "origin_app")
"""Fields that most records leave out: the last ones of a packed one."""
STARTS = 10_000
"""Beginnings that are kept once: an id that holds a mark makes one of its own, and must not do so for ever."""
WORTH_KNOWING = 8
"""Characters of an id at least: shorter ones end alike by chance, and each such chance would keep a beginning."""
WASTE = 1 << 20
"""Bytes of replaced rows that are not worth a tidying."""
PIECE = 1 << 20
"""Bytes that are reserved at once for packed records."""
WIDTH = 24
MASK = (1 << WIDTH) - 1
"""Start and size of a record in its piece are numbers of so many bits: no record of Kafka's is near 16 MB."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_claims = msgspec.msgpack.Encoder()
_claim_decoder = msgspec.msgpack.Decoder(Claim)


def key_of(ref: str) -> int:
    """A text's key within this process. Two texts may share one: whoever looks up compares what was found."""
    return hash(ref) & 0xFFFF_FFFF_FFFF_FFFF


class Packer:
    """Packs mappings and unpacks them, equal in every field. What many refs begin with is kept once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}
        self._starts: list[str] = [""]

    def pack(self, mapping: Mapping) -> bytes:
        """The mapping as bytes."""
        claim = mapping.claim
        start, source = self._cut(mapping.source, "/")
        fields = [
            _short(mapping.id, "map_"),
            self._number(mapping.relation),
            _STATE[mapping.state],
            _RULE[mapping.rule],
            start,
            source,
            *self._cut(mapping.target, "/", source),
            _short(mapping.run, "run_"),
            *self._cut(mapping.at, "T"),
        ]
        rest: list[Any] = [
            mapping.also and [part for ref in mapping.also for part in self._cut(ref, "/", source)],
            mapping.match and self._cut(mapping.match, "|"),
            mapping.reason,
            claim and _claims.encode(claim),
            mapping.schemaversion if mapping.schemaversion != SCHEMA_VERSION else "",
            mapping.refused,
            mapping.origin_app if mapping.origin_app != _usual_origin(mapping.rule, mapping.source) else None,
        ]
        # An empty origin may be the unusual one: only None says that it is not.
        while rest and (rest[-1] is None if len(rest) == len(RARE) else not rest[-1]):
            rest.pop()
        return _encode([*fields, *rest])

    def unpack(self, packed: bytes) -> Mapping:
        """The mapping that was packed."""
        fields: list[Any] = _decode(packed)
        id_, relation, state, rule, start, source, other, target, run, day, at, *rest = fields
        also, match, reason, claim, version, refused, origin = rest + [None] * (len(RARE) - len(rest))
        also = also or []
        return Mapping(
            id=_long(id_, "map_"),
            relation=self._starts[relation],
            state=STATES[state],
            rule=RULES[rule],
            source=self._starts[start] + source,
            target=self._starts[other] + (source if target is None else target),
            run=_long(run, "run_"),
            at=self._starts[day] + at,
            also=[
                self._starts[number] + (source if end is None else end)
                for number, end in zip(also[::2], also[1::2], strict=True)
            ],
            match=self._starts[match[0]] + match[1] if match else "",
            reason=reason or "",
            refused=refused or "",
            claim=_claim_decoder.decode(claim) if claim else None,
            origin_app=_usual_origin(RULES[rule], self._starts[start] + source) if origin is None else origin,
            schemaversion=version or SCHEMA_VERSION,
        )

    def _cut(self, text: str, at: str, known: str | None = "") -> tuple[int, str | None]:
        """A text as the number of its beginning, up to the last mark, and the rest; None for a rest that is known: ids
        that we derive end as the one that they are derived from.
        """
        end: str | None
        if known and len(known) >= WORTH_KNOWING and text.endswith(known):
            start, end = text[: -len(known)], None
        else:
            start, mark, end = text.rpartition(at)
            start += mark
        number = self._numbers.get(start)
        if number is None:
            if len(self._starts) >= STARTS:
                return 0, text
            number = self._number(start)
        return number, end

    def _number(self, start: str) -> int:
        """The number of a text that is kept once."""
        number = self._numbers.setdefault(start, len(self._starts))
        if number == len(self._starts):
            self._starts.append(start)
        return number


def _usual_origin(rule: Rule, source: str) -> str:
    return app_of(source) if rule in MAKING_RULES else ""


def _short(text: str, start: str) -> bytes | str:
    """An id of ours as the bytes of its digest; any other text as it is."""
    if len(text) == 28 and text.startswith(start):
        written = text[4:]
        try:
            digest = bytes.fromhex(written)
        except ValueError:
            return text
        if digest.hex() == written:
            return digest
    return text


def _long(short: bytes | str, start: str) -> str:
    return short if isinstance(short, str) else start + short.hex()


class Rows:
    """Packed records, one after the other in a few large pieces of memory: an object for each would take a third more,
    and one piece that grows an eighth more than it holds.
    """

    def __init__(self) -> None:
        self._places = array("Q")
        self._pieces = [bytearray(PIECE)]
        self._end = 0
        self._waste = 0

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: int) -> bytes:
        place = self._places[row]
        start, size = place >> WIDTH & MASK, place & MASK
        return bytes(self._pieces[place >> 2 * WIDTH][start : start + size])

    def append(self, packed: bytes) -> int:
        """Add a row. Returns its number."""
        self._places.append(self._put(packed))
        return len(self._places) - 1

    def __setitem__(self, row: int, packed: bytes) -> None:
        self._waste += self._places[row] & MASK
        self._places[row] = self._put(packed)
        if self._waste > WASTE and self._waste > len(self._pieces) * PIECE // 4:
            self._tidy()

    def _put(self, packed: bytes) -> int:
        """Write it behind the last one. Returns its place: the piece's number, where it starts there, and its size."""
        if self._end + len(packed) > len(self._pieces[-1]):
            self._pieces.append(bytearray(max(PIECE, len(packed))))
            self._end = 0
        start, self._end = self._end, self._end + len(packed)
        self._pieces[-1][start : self._end] = packed
        return (len(self._pieces) - 1) << 2 * WIDTH | start << WIDTH | len(packed)

    def _tidy(self) -> None:
        kept = Rows()
        for row in range(len(self)):
            kept.append(self[row])
        self._places, self._pieces, self._end, self._waste = kept._places, kept._pieces, kept._end, 0


class Places:
    """Numbers of rows by key: nearly always one for a key, so one is kept in 16 bytes; several are kept apart."""

    def __init__(self) -> None:
        self._first = PreshMap()
        self._several: list[tuple[int, ...]] = []

    def get(self, key: int) -> tuple[int, ...]:
        """Every row under a key, in the order in which they came."""
        found = self._first[key]
        if found is None or found == 0:
            return ()
        return self._several[found ^ _SEVERAL] if found & _SEVERAL else (found - 1,)

    def add(self, key: int, row: int) -> None:
        """One more row under a key; one that is there already changes nothing."""
        found = self._first[key]
        if found is None or found == 0:
            self._first[key] = row + 1
        elif found & _SEVERAL:
            rows = self._several[found ^ _SEVERAL]
            if row not in rows:
                self._several[found ^ _SEVERAL] = (*rows, row)
        elif found != row + 1:
            self._several.append((found - 1, row))
            self._first[key] = (len(self._several) - 1) | _SEVERAL

    def remove(self, key: int, row: int) -> None:
        """A row less under a key."""
        found = self._first[key]
        if found is None or found == 0:
            return
        if found & _SEVERAL:
            place = found ^ _SEVERAL
            self._several[place] = tuple(r for r in self._several[place] if r != row)
        elif found == row + 1:
            self._first[key] = 0  # the map takes no key out; none and 0 mean the same
