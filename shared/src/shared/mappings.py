"""Claims and mappings: "I am about to make the other side of this" and "these two are one": one record.

The mapping topic has one partition, so its order decides. This module is pure: it folds records into an index and says
who is first; `shared.claims` writes and waits.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Literal

import msgspec

from shared.events.envelope import SCHEMA_VERSION, check_version

MappingState = Literal["claimed", "linked", "deleted", "withdrawn", "separate"]
Rule = Literal["", "created", "setting", "metadata", "natural-id", "email", "manual"]
ACTIVE: frozenset[str] = frozenset({"claimed", "linked", "deleted"})
"""States that hold their entities: no other record may name them."""
LATELY = 10_000
"""Pairs whose match value is remembered after they were linked: more than are made while the index lags."""


class Claim(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What is about to be called, complete enough for anybody to call it again.

    `since` is the offset of the claim's first record, known only when it is written again (attempt 2 and later): order
    between claims is by that offset. `match` is a value that must be unique besides the refs, empty for none.
    """

    action: str
    key: str
    body: dict[str, Any]
    attempt: int
    opened_at: str
    run: str
    match: str = ""
    since: int = -1


class Mapping(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One pair of entities, from the claim on. `source` is where it began (the customer was born there), `target` the
    other side as soon as it is known. `also` are further refs of the pair, as the Togai customer above the account.
    `match` is the address that the pair was made or linked under, while the index may not know both sides yet.
    A `separate` record says that a person decided: its source matches none of those that have its address.
    """

    id: str
    state: MappingState
    source: str
    at: str
    run: str
    target: str = ""
    also: list[str] = []
    rule: Rule = ""
    claim: Claim | None = None
    match: str = ""
    reason: str = ""
    schemaversion: str = SCHEMA_VERSION

    @property
    def refs(self) -> tuple[str, ...]:
        """The two sides, without what is not known yet."""
        return tuple(ref for ref in (self.source, self.target) if ref)


_decoder = msgspec.json.Decoder(Mapping)
encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> Mapping:
    """Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    mapping = _decoder.decode(value)
    check_version(mapping.schemaversion)
    return mapping


class MappingIndex:
    """Every mapping of the topic, by id and by each side. Fold records in order of their offsets."""

    def __init__(self) -> None:
        self._by_id: dict[str, Mapping] = {}
        self._order: dict[str, int] = {}
        self._by_ref: dict[str, str | tuple[str, ...]] = {}
        self._by_match: dict[str, tuple[str, ...]] = {}
        self._by_parent: dict[str, str | tuple[str, ...]] = {}
        self._lately: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_id)

    def apply(self, offset: int, mapping: Mapping) -> None:
        """Fold one record. A second claim of the same attempt changes nothing: the first one's key and body hold."""
        known = self._by_id.get(mapping.id)
        if known and _repeats(known, mapping):
            return
        if known:
            self._forget(known)
        if known is None or known.state not in ACTIVE:
            self._order[mapping.id] = offset
        if mapping.claim and mapping.claim.since >= 0:
            self._order[mapping.id] = mapping.claim.since
        self._by_id[mapping.id] = mapping
        for ref in mapping.refs:
            self._by_ref[ref] = _with(self._by_ref.get(ref), mapping.id)
        if mapping.claim and mapping.claim.match and mapping.state == "claimed":
            self._by_match[mapping.claim.match] = (*self._by_match.get(mapping.claim.match, ()), mapping.id)
        for parent in mapping.also if mapping.state == "linked" else ():
            self._by_parent[parent] = _with(self._by_parent.get(parent), mapping.id)
        if mapping.match and mapping.state == "linked":
            self._remember(mapping)

    def _remember(self, mapping: Mapping) -> None:
        self._lately[mapping.match] = mapping.id
        self._lately.move_to_end(mapping.match)
        if len(self._lately) > LATELY:
            self._lately.popitem(last=False)

    def _forget(self, mapping: Mapping) -> None:
        for ref in mapping.refs:
            _take(self._by_ref, ref, mapping.id)
        for parent in mapping.also:
            _take(self._by_parent, parent, mapping.id)
        if mapping.claim and mapping.claim.match:
            rest = tuple(i for i in self._by_match.get(mapping.claim.match, ()) if i != mapping.id)
            if rest:
                self._by_match[mapping.claim.match] = rest
            else:
                self._by_match.pop(mapping.claim.match, None)

    def get(self, mapping_id: str) -> Mapping | None:
        return self._by_id.get(mapping_id)

    def order(self, mapping_id: str) -> int:
        """Offset of the first record of this claim or mapping: the earlier one is in the right."""
        return self._order[mapping_id]

    def naming(self, ref: str) -> list[Mapping]:
        """Everything that holds this entity, the earliest first."""
        found = [self._by_id[i] for i in _ids(self._by_ref.get(ref))]
        return sorted((m for m in found if m.state in ACTIVE), key=lambda m: self._order[m.id])

    def pair(self, ref: str) -> Mapping | None:
        """The finished mapping of this entity (linked, or with a deleted side)."""
        return next((m for m in self.naming(ref) if m.state != "claimed"), None)

    def under(self, parent: str) -> list[Mapping]:
        """The links of all accounts of a Togai customer."""
        return [self._by_id[i] for i in _ids(self._by_parent.get(parent))]

    def lately(self, match: str) -> Mapping | None:
        """The pair that was linked under a match value not long ago: the index may not know its sides yet."""
        found = self._by_id.get(self._lately.get(match, ""))
        return found if found and found.state == "linked" and found.match == match else None

    def rival(self, mapping: Mapping) -> Mapping | None:
        """An earlier open claim or mapping that names the same source, target or match value."""
        own = self._order.get(mapping.id)
        rivals = [m for ref in mapping.refs for m in self.naming(ref)]
        if mapping.claim and mapping.claim.match:
            rivals += [self._by_id[i] for i in self._by_match.get(mapping.claim.match, ())]
        earlier = [m for m in rivals if m.id != mapping.id and (own is None or self._order[m.id] < own)]
        return min(earlier, key=lambda m: self._order[m.id], default=None)


def _repeats(known: Mapping, new: Mapping) -> bool:
    if known.state != "claimed" or new.state != "claimed" or not known.claim or not new.claim:
        return False
    return new.claim.attempt <= known.claim.attempt


def _ids(entry: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if entry is None else (entry,) if isinstance(entry, str) else entry


def _with(entry: str | tuple[str, ...] | None, mapping_id: str) -> str | tuple[str, ...]:
    # Nearly every ref has one record: a bare string keeps 100,000 of them small.
    ids = _ids(entry)
    return entry if entry is not None and mapping_id in ids else mapping_id if not ids else (*ids, mapping_id)


def _take(entries: dict[str, str | tuple[str, ...]], ref: str, mapping_id: str) -> None:
    left = _without(entries.get(ref), mapping_id)
    if left is None:
        entries.pop(ref, None)
    else:
        entries[ref] = left


def _without(entry: str | tuple[str, ...] | None, mapping_id: str) -> str | tuple[str, ...] | None:
    rest = tuple(i for i in _ids(entry) if i != mapping_id)
    return None if not rest else rest[0] if len(rest) == 1 else rest
