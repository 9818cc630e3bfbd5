"""What follows from a comparison of both sides of a pair: values to write, and differences to show. Pure.

A field's owner is the side whose value holds. "Agreed" is the digest of the owner's value, in the other side's terms,
that the other side was last equal to or set to: if the owner's value is another one by now, the owner changed and its
value is written; if it is not, the other side changed, and that is shown, neither copied nor reverted.

Where nothing was agreed on yet, at the first contact of a field, empty is no value: a filled one wins whoever owns it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from shared.errors import Waiting
from shared.identity import digest
from shared.linking.pairs import Difference, Known, Side

Value = str | dict[str, str]

LIMITS = ("too_long", "too_many_keys")
"""Codes of values that the other side is known to refuse."""


class FieldPolicy(ABC):
    """What a domain says of the fields of one pair, as both sides are now. Pure.

    `sides` are the two apps, in the order in which they are written; `known` is what the log says of the pair.
    """

    sides: tuple[Side, Side]
    known: Known

    @abstractmethod
    def names(self) -> Sequence[str]:
        """Every field that travels."""

    @abstractmethod
    def owner(self, name: str) -> Side:
        """Whose value of a field holds."""

    @abstractmethod
    def value(self, side: Side, name: str) -> Value:
        """A field as a side holds it; empty for none."""

    @abstractmethod
    def wanted(self, to: Side, name: str, notes: list[str]) -> Value:
        """The other side's value as it is to stand at `to`; `notes` say what that costs. Raises Waiting if it can't."""

    @abstractmethod
    def is_equal(self, name: str, wanted: Value | None) -> bool:
        """Whether the side that does not own a field shows the owner's value, which would be `wanted` there (None if it
        cannot stand there), or the owner has just what the other's value becomes there.
        """

    def other(self, side: Side) -> Side:
        """The other one of the two sides."""
        first, second = self.sides
        return second if side == first else first

    def is_empty(self, side: Side, name: str) -> bool:
        """Whether a side has no value of a field of its own."""
        return not self.value(side, name)

    def is_mark(self, name: str) -> bool:
        """Whether a field is Tandem's own: nobody filled it in, so it has no first contact."""
        return False

    def is_invented(self, name: str) -> bool:
        """Whether Tandem made up the value at the side that does not own the field: no person wants it kept."""
        return False

    def left_out(self, name: str) -> str:
        """What of a value that counts as equal the other side does not take, in words; empty if nothing."""
        return ""

    def refusal(self, to: Side, value: Value) -> str:
        """A mark of a value that a vendor refused, and of what else the refusal may depend on."""
        return digest(value)

    def shown(self, name: str) -> dict[Side, Value]:
        """Both sides' values of a field that differs, for people."""
        return {side: self.value(side, name) for side in self.sides}


@dataclass(frozen=True)
class _Blocked:
    """The owner's value cannot be put at the other side: `refused` is empty where it follows by itself, else a mark of
    the vendor's limit.
    """

    reason: str
    refused: str = ""


@dataclass(frozen=True)
class FieldConflict:
    """A field that differs and stays so. `refused` marks a value that the vendor refused: it is not sent again while
    nothing of what the refusal depends on has changed.
    """

    field: str
    owner: Side
    values: Mapping[Side, Value]
    reason: str
    refused: str = ""


@dataclass
class Decision:
    """What follows from a comparison: values to write by side and field, what differs, what both sides agree on.

    `overwrites` are the fields whose filled value is replaced by another filled one at the first contact.
    """

    write: dict[Side, dict[str, Value]]
    different: list[FieldConflict] = field(default_factory=list)
    agreed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    overwrites: list[str] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        return any(self.write.values())

    def refuse(self, to: Side, name: str, text: str, policy: FieldPolicy) -> None:
        """The vendor refused a value: it stays out, is shown with the vendor's text, and the rest goes on."""
        value = self.write[to].pop(name)
        self.agreed.pop(name, None)
        if name in policy.known.agreed:
            self.agreed[name] = policy.known.agreed[name]
        at = {side: policy.value(side, name) for side in policy.sides}
        self.different.append(FieldConflict(name, policy.owner(name), at, text, policy.refusal(to, value)))


def decide(policy: FieldPolicy) -> Decision:
    """What a comparison of both sides leads to."""
    found = Decision({side: {} for side in policy.sides}, agreed=dict(policy.known.agreed))
    for name in policy.names():
        _FieldComparison(name, policy, found).decide()
    return found


@dataclass(frozen=True)
class _FieldComparison:
    """One field of one comparison; what follows goes to `found`."""

    name: str
    policy: FieldPolicy
    found: Decision

    def decide(self) -> None:
        policy, name, notes = self.policy, self.name, list[str]()
        owner = policy.owner(name)
        other, first = policy.other(owner), self._is_first_contact
        wanted = self._wanted(other, notes)
        value = None if isinstance(wanted, _Blocked) else wanted
        if policy.is_equal(name, value):
            self.found.agreed[name] = digest(policy.value(other, name) if value is None else value)
            if left_out := policy.left_out(name):
                self._show(left_out)
        elif first and not policy.is_invented(name) and self._is_fuller(other):
            self._fill(owner)
        elif isinstance(wanted, _Blocked):
            self._show(wanted.reason, wanted.refused)
        elif first or digest(wanted) != policy.known.agreed.get(name) or self._is_late_write(other):
            if first and not policy.is_empty(other, name):
                self.found.overwrites.append(name)
            self._write(other, wanted, digest(wanted), notes)
        else:
            self._show(
                f"{name} is owned by {owner.title()}: the value in {other.title()} is neither copied nor reverted"
            )

    @property
    def _is_first_contact(self) -> bool:
        # A mark is Tandem's own, and a former link may have left it.
        return self.name not in self.policy.known.agreed and not self.policy.is_mark(self.name)

    def _is_late_write(self, at: Side) -> bool:
        """Whether what stands at a side is a write of ours that landed after a newer one."""
        present = digest(self.policy.value(at, self.name))
        return present in {write.fields.get(self.name) for write in self.policy.known.open if write.to == at}

    def _is_fuller(self, side: Side) -> bool:
        """Whether a side's value holds the other's and more: all parts of an address that the other has, and others."""
        policy, other = self.policy, self.policy.other(side)
        if policy.is_empty(side, self.name):
            return False
        if policy.is_empty(other, self.name):
            return True
        mine, less = policy.value(side, self.name), policy.value(other, self.name)
        return isinstance(mine, dict) and isinstance(less, dict) and less.items() < mine.items()

    def _fill(self, owner: Side) -> None:
        """First contact, and the owner has nothing, or less: what stands at the other side is copied to it."""
        notes: list[str] = []
        value = self._wanted(owner, notes)
        if isinstance(value, _Blocked):
            self._show(value.reason, value.refused)
            return
        theirs = self.policy.value(self.policy.other(owner), self.name)
        # A lossy copy is agreed on by the next comparison, which sees what the owner made of it.
        self._write(owner, value, digest(theirs) if value == theirs else "", notes)

    def _write(self, to: Side, value: Value, agreed: str, notes: Iterable[str]) -> None:
        """Write a value, unless the vendor refused just this one."""
        former = self.policy.known.differences.get(self.name)
        mark = self.policy.refusal(to, value)
        if former and former.refused == mark:
            self._show(former.reason, mark)
            return
        self.found.write[to][self.name] = value
        self.found.notes += notes
        if agreed:
            self.found.agreed[self.name] = agreed

    def _show(self, reason: str, refused: str = "") -> None:
        values = self.policy.shown(self.name)
        first, second = self.policy.sides
        if values[first] != values[second]:
            owner = self.policy.owner(self.name)
            self.found.different.append(FieldConflict(self.name, owner, values, reason, refused))

    def _wanted(self, to: Side, notes: list[str]) -> Value | _Blocked:
        """The value of the side across from `to`, in the terms of `to`."""
        try:
            return self.policy.wanted(to, self.name, notes)
        except Waiting as error:
            return _Blocked(error.message, digest(error.message) if error.code in LIMITS else "")


def present_marks(policy: FieldPolicy) -> dict[str, str]:
    """What is agreed on if every value of today is meant: differences are shown, and no value travels."""
    found: dict[str, str] = {}
    for name in policy.names():
        other = policy.other(policy.owner(name))
        try:
            wanted = policy.wanted(other, name, [])
        except Waiting:
            wanted = policy.value(other, name)
        found[name] = digest(wanted)
    return found


def differences(decision: Decision, known: Known, at: str) -> dict[str, Difference]:
    """What a comparison shows, as records; one that is there already keeps the time at which it was first seen."""
    return {d.field: _difference(d, known.differences.get(d.field), at) for d in decision.different}


def _difference(found: FieldConflict, former: Difference | None, at: str) -> Difference:
    new = Difference(
        owner=found.owner,
        values={side: msgspec.json.encode(value).decode() for side, value in found.values.items()},
        reason=found.reason,
        refused=found.refused,
        since=at,
    )
    same = former is not None and msgspec.structs.replace(former, since="") == msgspec.structs.replace(new, since="")
    return former if same and former else new
