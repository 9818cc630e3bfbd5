"""Every claim and mapping of the topic, by id and by each side, folded in order: who is first decides. Pure."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator

from preshed.maps import PreshMap

from shared.identity import unlink_id
from shared.mappings import ACTIVE, Mapping, follows
from shared.packing import Packer, Places, Rows, key_of

LATELY = 5_000
"""Pairs at least, and twice as many at most, whose match value is remembered after they were linked: more than are made
while the index lags.
"""
REFUSED = 1_000
"""Offsets of refused records that are remembered: a writer asks for its own right after it was folded."""


class MappingIndex:
    """Fold records in order of their offsets. A hundred thousand linked pairs take some 30 MB."""

    def __init__(self) -> None:
        self._packer = Packer()
        self._rows = Rows()
        self._order = array("q")
        self._places = Places()
        self._by_match: dict[str, tuple[int, ...]] = {}
        self._lately, self._before = PreshMap(), PreshMap()
        self._refused: deque[int] = deque(maxlen=REFUSED)

    def __len__(self) -> int:
        return len(self._rows)

    def apply(self, offset: int, mapping: Mapping) -> None:
        """Fold one record. One that may not follow what is known changes nothing: of two claims of the same attempt the
        first one's key and body hold, and a late mark does not undo a newer link.
        """
        row = self._row(mapping)
        known = self._at(row) if row is not None else None
        if known and not follows(known, mapping):
            self._refused.append(offset)
            return
        row = self._put(row, known, offset, self._packer.pack(mapping))
        if known:
            self._forget(row, known, mapping)
        if mapping.claim and mapping.claim.since >= 0:
            self._order[row] = mapping.claim.since
        for name in _names(mapping):
            self._places.add(key_of(name), row)
        self._remember(row, mapping)

    def _put(self, row: int | None, known: Mapping | None, offset: int, packed: bytes) -> int:
        if row is None or known is None:
            self._order.append(offset)
            return self._rows.append(packed)
        if known.state not in ACTIVE:
            self._order[row] = offset
        self._rows[row] = packed
        return row

    def _remember(self, row: int, mapping: Mapping) -> None:
        if mapping.state == "claimed" and mapping.claim and mapping.claim.match:
            self._by_match[mapping.claim.match] = (*self._by_match.get(mapping.claim.match, ()), row)
        if mapping.state == "linked" and mapping.match:
            self._lately[key_of(mapping.match)] = row
            if len(self._lately) >= LATELY:
                self._lately, self._before = PreshMap(), self._lately

    def _forget(self, row: int, known: Mapping, new: Mapping) -> None:
        for name in {*_names(known)} - {*_names(new)}:
            self._places.remove(key_of(name), row)
        match = known.claim.match if known.claim else ""
        if rest := tuple(other for other in self._by_match.get(match, ()) if other != row):
            self._by_match[match] = rest
        else:
            self._by_match.pop(match, None)

    def _row(self, mapping: Mapping) -> int | None:
        """The row of a record, old or new: a mapping's id is made from its source, which never changes."""
        rows = self._places.get(key_of(mapping.source))
        return next((row for row in rows if self._at(row).id == mapping.id), None) if rows else None

    def _at(self, row: int) -> Mapping:
        return self._packer.unpack(self._rows[row])

    def refused(self, offset: int) -> bool:
        """Whether the record at an offset was refused when it was folded, not long ago."""
        return offset in self._refused

    def present(self, mapping: Mapping) -> Mapping | None:
        """The record that holds under the id of another one."""
        row = self._row(mapping)
        return None if row is None else self._at(row)

    def opened_by(self, source: str) -> Mapping | None:
        """The record that the entity's own event began, in whatever state."""
        found = (self._at(row) for row in self._places.get(key_of(source)))
        return next((m for m in found if m.source == source and m.id != unlink_id(m.refs)), None)

    def unlinked(self, ref: str) -> list[Mapping]:
        """The decisions of people that this entity and another are not one."""
        found = (self._at(row) for row in self._places.get(key_of(ref)))
        return [mapping for mapping in found if mapping.state == "unlinked" and ref in mapping.refs]

    def begun(self, source: str) -> Mapping | None:
        """The open claim that the entity's own event began."""
        held = self.opened_by(source)
        return held if held and held.state == "claimed" else None

    def order(self, mapping: Mapping) -> int:
        """Offset of the first record of this claim or mapping: the earlier one is in the right. Raises KeyError."""
        row = self._row(mapping)
        if row is None:
            raise KeyError(mapping.id)
        return self._order[row]

    def _holding(self, ref: str) -> Iterator[tuple[int, Mapping]]:
        """Order and record of everything active that names a ref as one of its sides."""
        for row in self._places.get(key_of(ref)):
            found = self._at(row)
            if found.state in ACTIVE and ref in found.refs:
                yield self._order[row], found

    def naming(self, ref: str) -> list[Mapping]:
        """Everything that holds this entity, the earliest first."""
        return [mapping for _, mapping in sorted(self._holding(ref), key=lambda found: found[0])]

    def pair(self, ref: str) -> Mapping | None:
        """The finished mapping of this entity (linked, or with a deleted side)."""
        return next((m for m in self.naming(ref) if m.state != "claimed"), None)

    def under(self, parent: str) -> list[Mapping]:
        """The links of all accounts of a Togai customer."""
        found = [self._at(row) for row in self._places.get(key_of(parent))]
        return [mapping for mapping in found if mapping.state == "linked" and parent in mapping.also]

    def lately(self, match: str) -> Mapping | None:
        """The pair that was linked under a match value not long ago: the index may not know its sides yet."""
        key = key_of(match)
        row = self._lately[key]
        if row is None:
            row = self._before[key]
        found = self._at(row) if row is not None else None
        return found if found and found.state == "linked" and found.match == match else None

    def rival(self, mapping: Mapping) -> Mapping | None:
        """An earlier open claim or mapping that names the same source, target or match value."""
        row = self._row(mapping)
        own = None if row is None else self._order[row]
        rivals = [found for ref in mapping.refs for found in self._holding(ref)]
        if mapping.claim and mapping.claim.match:
            rivals += [(self._order[r], self._at(r)) for r in self._by_match.get(mapping.claim.match, ())]
            # Linked between the claimant's look and its claim: a claim no more, and nobody has looked at it.
            unseen = self.lately(mapping.claim.match)
            if unseen and unseen.id != mapping.claim.knew:
                rivals.append((self.order(unseen), unseen))
        earlier = [found for found in rivals if found[1].id != mapping.id and (own is None or found[0] < own)]
        return min(earlier, key=lambda found: found[0])[1] if earlier else None


def _names(mapping: Mapping) -> tuple[str, ...]:
    """Every text that leads to a record, some twice: its sides, and while it is a link the customers above."""
    return (*mapping.refs, *mapping.also) if mapping.state == "linked" else (*mapping.refs, mapping.source)
