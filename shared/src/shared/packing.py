"""Mappings in little memory: each packed to bytes, found by 64-bit keys. Pure.

A linked pair as an object with its strings takes some 1,200 bytes; packed, with all that finds it, less than 300.
"""

from __future__ import annotations

from array import array
from typing import Any, get_args

import msgspec
from preshed.maps import PreshMap

from shared.events.envelope import SCHEMA_VERSION
from shared.mappings import Claim, Mapping, MappingState, Rule

STATES: tuple[MappingState, ...] = get_args(MappingState)
RULES: tuple[Rule, ...] = get_args(Rule)
_STATE = {state: number for number, state in enumerate(STATES)}
_RULE = {rule: number for number, rule in enumerate(RULES)}
_SEVERAL = 1 << 63
STARTS = 10_000
"""Beginnings that are kept once: an id that holds a mark makes one of its own, and must not do so for ever."""
WASTE = 1 << 20
"""Bytes of replaced rows that are not worth a tidying."""
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
        fields = [
            _short(mapping.id, "map_"),
            _STATE[mapping.state],
            _RULE[mapping.rule],
            *self._cut(mapping.source, "/"),
            *self._cut(mapping.target, "/"),
            _short(mapping.run, "run_"),
            mapping.at,
        ]
        rest: list[Any] = [
            mapping.also and [part for ref in mapping.also for part in self._cut(ref, "/")],
            mapping.match and self._cut(mapping.match, "|"),
            mapping.reason,
            claim and _claims.encode(claim),
            mapping.schemaversion if mapping.schemaversion != SCHEMA_VERSION else "",
        ]
        while rest and not rest[-1]:
            rest.pop()
        return _encode([*fields, *rest])

    def unpack(self, packed: bytes) -> Mapping:
        """The mapping that was packed."""
        fields: list[Any] = _decode(packed)
        id_, state, rule, start, source, other, target, run, at, *rest = fields
        also, match, reason, claim, version = rest + [None] * (5 - len(rest))
        return Mapping(
            id=_long(id_, "map_"),
            state=STATES[state],
            rule=RULES[rule],
            source=self._starts[start] + source,
            target=self._starts[other] + target,
            run=_long(run, "run_"),
            at=at,
            also=[self._starts[n] + end for n, end in zip(also[::2], also[1::2], strict=True)] if also else [],
            match=self._starts[match[0]] + match[1] if match else "",
            reason=reason or "",
            claim=_claim_decoder.decode(claim) if claim else None,
            schemaversion=version or SCHEMA_VERSION,
        )

    def _cut(self, text: str, at: str) -> tuple[int, str]:
        """A text as the number of its beginning, up to the last mark, and the rest."""
        start, mark, end = text.rpartition(at)
        number = self._numbers.get(start + mark)
        if number is None:
            if len(self._starts) >= STARTS:
                return 0, text
            number = self._numbers[start + mark] = len(self._starts)
            self._starts.append(start + mark)
        return number, end


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
    """Packed records, one after the other in one piece of memory: an object for each would take a third more."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._start = array("Q")
        self._size = array("I")
        self._waste = 0

    def __len__(self) -> int:
        return len(self._start)

    def __getitem__(self, row: int) -> bytes:
        start = self._start[row]
        return bytes(self._bytes[start : start + self._size[row]])

    def append(self, packed: bytes) -> int:
        """Add a row. Returns its number."""
        self._start.append(len(self._bytes))
        self._size.append(len(packed))
        self._bytes += packed
        return len(self._start) - 1

    def __setitem__(self, row: int, packed: bytes) -> None:
        self._waste += self._size[row]
        self._start[row], self._size[row] = len(self._bytes), len(packed)
        self._bytes += packed
        if self._waste > WASTE and self._waste > len(self._bytes) // 4:
            self._tidy()

    def _tidy(self) -> None:
        kept = bytearray()
        for row in range(len(self)):
            packed = self[row]
            self._start[row] = len(kept)
            kept += packed
        self._bytes, self._waste = kept, 0


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
