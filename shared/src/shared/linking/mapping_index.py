"""Every claim and mapping of the topic, by id and by each side, folded in order: who is first decides. Pure.

`LinkIndex` folds and keeps them all, `RelationIndex` is asked: an entity may have a link in each relation.
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass

from preshed.maps import PreshMap

from shared.identity import link_id
from shared.linking.mappings import ACTIVE, Mapping, follows
from shared.linking.packing import Packer, Places, Rows, key_of

MATCHES_KEPT = 5_000
"""Pairs at least, and twice as many at most, whose match value is remembered after they were linked: more than are made
while the index lags.
"""
REFUSED = 1_000
"""Offsets of refused records that are remembered: a writer asks for its own right after it was folded."""


class LinkIndex:
    """Fold records in order of their offsets. A hundred thousand linked pairs take some 30 MB."""

    def __init__(self) -> None:
        self._packer = Packer()
        self._rows = Rows()
        self._order = array("q")
        self._places = Places()
        self._by_match: dict[str, tuple[int, ...]] = {}
        self._newest_matches, self._older_matches = PreshMap(), PreshMap()
        self._linked_at: set[tuple[str, str]] = set()
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
        if mapping.claim and mapping.claim.first_offset >= 0:
            self._order[row] = mapping.claim.first_offset
        for name in _names(mapping):
            self._places.add(key_of(name), row)
        self._remember(row, mapping)
        if mapping.state == "linked":
            self._linked_at.add((mapping.relation, mapping.target.partition("/")[0]))

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
            self._newest_matches[key_of(mapping.match)] = row
            if len(self._newest_matches) >= MATCHES_KEPT:
                self._newest_matches, self._older_matches = PreshMap(), self._newest_matches

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

    def order(self, mapping: Mapping) -> int:
        """Offset of the first record of this claim or mapping: the earlier one is in the right. Raises KeyError."""
        row = self._row(mapping)
        if row is None:
            raise KeyError(mapping.id)
        return self._order[row]

    def has_links_at(self, relation: str, account: str) -> bool:
        """Whether a target at an app account was ever linked in a relation."""
        return (relation, account) in self._linked_at

    def open_claims(self, source: str) -> list[Mapping]:
        """The open claims, in whatever relation, that the entity's own events began."""
        found = (mapping for _, mapping in self.found(source))
        return [mapping for mapping in found if mapping.state == "claimed" and mapping.source == source]

    def of(self, relation: str) -> RelationIndex:
        """What is asked of one relation."""
        return RelationIndex(self, relation)

    def found(self, name: str) -> list[tuple[int, Mapping]]:
        """Order and record of everything that a ref leads to, in whatever state and relation."""
        return [(self._order[row], self._at(row)) for row in self._places.get(key_of(name))]

    def matching(self, match: str) -> list[tuple[int, Mapping]]:
        """Order and record of the open claims with a match value."""
        return [(self._order[row], self._at(row)) for row in self._by_match.get(match, ())]

    def recently_linked(self, match: str) -> Mapping | None:
        """The pair that was linked under a match value not long ago: the index may not know its sides yet."""
        key = key_of(match)
        row = self._newest_matches[key]
        if row is None:
            row = self._older_matches[key]
        found = self._at(row) if row is not None else None
        return found if found and found.state == "linked" and found.match == match else None


@dataclass(frozen=True)
class RelationIndex:
    """The links of one relation."""

    links: LinkIndex
    relation: str

    def _found(self, name: str) -> list[tuple[int, Mapping]]:
        return [found for found in self.links.found(name) if found[1].relation == self.relation]

    def has_links_at(self, account: str) -> bool:
        """Whether a target at an app account was ever linked."""
        return self.links.has_links_at(self.relation, account)

    def claim_of(self, source: str, account: str) -> Mapping | None:
        """The record of an entity's own link to an app account, in whatever state."""
        wanted = link_id(source, self.relation, account)
        return next((mapping for _, mapping in self._found(source) if mapping.id == wanted), None)

    def open_claim(self, source: str) -> Mapping | None:
        """The open claim that the entity's own event began."""
        return next((m for _, m in self._found(source) if m.state == "claimed" and m.source == source), None)

    def open_under(self, match: str) -> list[Mapping]:
        """The open claims with a match value."""
        return [mapping for _, mapping in self._matching(match)]

    def _matching(self, match: str) -> list[tuple[int, Mapping]]:
        return [found for found in self.links.matching(match) if found[1].relation == self.relation]

    def unlinked(self, ref: str) -> list[Mapping]:
        """The decisions of people that this entity and another are not one."""
        return [m for _, m in self._found(ref) if m.state == "unlinked" and ref in m.refs]

    def held(self, ref: str) -> Mapping | None:
        """The decision of a person that nothing more is made for this entity."""
        return next((m for _, m in self._found(ref) if m.state == "held" and m.source == ref), None)

    def _holding(self, ref: str) -> list[tuple[int, Mapping]]:
        """Order and record of everything active that names a ref as one of its sides."""
        return [found for found in self._found(ref) if found[1].state in ACTIVE and ref in found[1].refs]

    def holders_of(self, ref: str) -> list[Mapping]:
        """Everything that holds this entity, the earliest first."""
        return [mapping for _, mapping in sorted(self._holding(ref), key=lambda found: found[0])]

    def pair(self, ref: str) -> Mapping | None:
        """The finished mapping of this entity (linked, or with a deleted side)."""
        return next((m for m in self.holders_of(ref) if m.state != "claimed"), None)

    def under(self, parent: str) -> list[Mapping]:
        """The links of everything below a parent, as all accounts of a Togai customer."""
        return [m for _, m in self._found(parent) if m.state == "linked" and parent in m.also]

    def recently_linked(self, match: str) -> Mapping | None:
        """The pair that was linked under a match value not long ago: the entity index may not know its sides yet."""
        return self.links.recently_linked(match)

    def rival(self, mapping: Mapping) -> Mapping | None:
        """An earlier open claim or mapping that names the same source, target or match value."""
        present = self.links.present(mapping)
        own = None if present is None else self.links.order(present)
        rivals = [found for ref in mapping.refs for found in self._holding(ref)]
        if mapping.claim and mapping.claim.match:
            rivals += self._matching(mapping.claim.match)
            # Linked between the claimant's look and its claim: a claim no more, and nobody has looked at it.
            unseen = self.recently_linked(mapping.claim.match)
            if unseen and unseen.id != mapping.claim.last_seen_link:
                rivals.append((self.links.order(unseen), unseen))
        earlier = [found for found in rivals if found[1].id != mapping.id and (own is None or found[0] < own)]
        return min(earlier, key=lambda found: found[0])[1] if earlier else None


def _names(mapping: Mapping) -> tuple[str, ...]:
    """Every text that leads to a record, some twice: its sides, and while it is a link the customers above."""
    return (*mapping.refs, *mapping.also) if mapping.state == "linked" else (*mapping.refs, mapping.source)
