"""What follows from a look at both sides of a pair: values to write, and differences to show. Pure.

A field's owner is the side whose value holds. "Agreed" is the digest of the owner's value, in the other side's terms,
that the other side was last equal to or set to: if the owner's value is another one by now, the owner changed and its
value is written; if it is not, the other side changed, and that is shown, neither copied nor reverted.

Where nothing was agreed on yet, at the first contact of a field, empty is no value: a filled one wins whoever owns it.
A value that is only the conversion of the other side's (cut, padded, without a country) is equal to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from shared.apps.stripe.models import StripeCustomer
from shared.errors import Waiting
from shared.linking.mappings import Mapping as Pair
from shared.linking.mappings import app_of
from shared.linking.pairs import OTHER_SIDE, Difference, Known, Side, digest
from shared.settings import OWNED_FIELDS

from customer_sync.decide import togai_address, togai_name
from customer_sync.values import (
    METADATA,
    STATUS,
    TOGAI_STATUS,
    PairSnapshot,
    Value,
    converted,
    customers_own,
    for_stripe,
    for_togai,
    is_empty,
    stripe_value,
    togai_value,
    value_at,
)

ALSO_WATCHED = ("business_name", "individual_name", "metadata", f"{METADATA}{TOGAI_STATUS}")
"""What an update of a Stripe customer may name, besides the fields themselves, that a field is made of."""


LIMITS = ("too_long", "too_many_keys")
"""Codes of values that the other side is known to refuse."""


@dataclass(frozen=True)
class Blocked:
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
    togai: Value
    stripe: Value
    reason: str
    refused: str = ""


@dataclass
class Decision:
    """What follows from a look: values to write by side and field, what differs, what both sides agree on.

    `overwrites` are the fields whose filled value is replaced by another filled one at the first contact.
    """

    write: dict[Side, dict[str, Value]] = field(default_factory=lambda: {"togai": {}, "stripe": {}})
    different: list[FieldConflict] = field(default_factory=list)
    agreed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    overwrites: list[str] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        return any(self.write.values())

    def refuse(self, to: Side, name: str, text: str, *, owner: Side, seen: PairSnapshot, known: Known) -> None:
        """The vendor refused a value: it stays out, is shown with the vendor's text, and the rest goes on."""
        value = self.write[to].pop(name)
        self.agreed.pop(name, None)
        if name in known.agreed:
            self.agreed[name] = known.agreed[name]
        at = {side: value_at(side, name, seen) for side in OTHER_SIDE}
        mark = refusal(value, to, seen)
        self.different.append(FieldConflict(name, owner, at["togai"], at["stripe"], text, mark))


def names(synced_metadata: Iterable[str]) -> list[str]:
    """Every field that travels, the archive mark last."""
    return [*OWNED_FIELDS, *(f"{METADATA}{key}" for key in synced_metadata), STATUS]


def watched(changed: Iterable[str], synced_metadata: Iterable[str]) -> bool:
    """Whether an update of a Stripe customer that changed these fields can concern a field that travels."""
    return not {*names(synced_metadata), *ALSO_WATCHED}.isdisjoint(changed)


def may_fit_now(changed: Iterable[str], differences: Mapping[str, Difference]) -> bool:
    """Whether an update of a Stripe customer that changed these fields may have made room for a value that was refused:
    Stripe counts all keys of the metadata, also those that nothing travels by.
    """
    refused = (name for name, shown in differences.items() if shown.refused)
    return any(name.startswith("metadata") for name in changed) and any(
        name == STATUS or name.startswith(METADATA) for name in refused
    )


def is_same(then: StripeCustomer, now: StripeCustomer, synced_metadata: Iterable[str]) -> bool:
    """Whether a Stripe customer looks alike at two times, as far as its fields travel."""
    plain = [name for name in names(synced_metadata) if name not in ("name", STATUS)]
    return togai_name(then, []) == togai_name(now, []) and all(
        stripe_value(name, then) == stripe_value(name, now) for name in plain
    )


def owner_of(name: str, pair: Pair, owners: Mapping[str, str]) -> Side:
    """Whose value of a field holds: by setting, else the side where the customer was first, and Togai for two that were
    there before they were linked.
    """
    if name == STATUS:
        return "togai"
    chosen = owners.get(name) or (owners.get("metadata") if name.startswith(METADATA) else None)
    if chosen in ("togai", "stripe"):
        return "togai" if chosen == "togai" else "stripe"
    return "stripe" if pair.origin_app == "stripe" else "togai"


def decide(
    seen: PairSnapshot, pair: Pair, known: Known, *, owners: Mapping[str, str], metadata: Iterable[str]
) -> Decision:
    """What a look at both sides asks for."""
    found = Decision(agreed=dict(known.agreed))
    for name in names(metadata):
        _FieldLook(name, owner_of(name, pair, owners), seen, known, found).decide()
    return found


@dataclass(frozen=True)
class _FieldLook:
    """One field of one look; what follows goes to `found`."""

    name: str
    owner: Side
    seen: PairSnapshot
    known: Known
    found: Decision

    def decide(self) -> None:
        notes: list[str] = []
        name, other, first = self.name, OTHER_SIDE[self.owner], self._is_first_contact
        wanted = self._wanted(other, notes)
        if _in_step(name, wanted, self.owner, self.seen):
            there = value_at(other, name, self.seen)
            self.found.agreed[name] = digest(there if isinstance(wanted, Blocked) else wanted)
            if left_out := _left_out(name, self.seen):
                self._show(left_out)
        elif first and not self._is_invented and _is_fuller(other, name, self.seen):
            self._fill()
        elif isinstance(wanted, Blocked):
            self._show(wanted.reason, wanted.refused)
        elif first or digest(wanted) != self.known.agreed.get(name) or self._is_late_write(other):
            if first and not is_empty(other, name, self.seen):
                self.found.overwrites.append(name)
            self._write(other, wanted, digest(wanted), notes)
        else:
            owner = self.owner.title()
            self._show(f"{name} is owned by {owner}: the value in {other.title()} is neither copied nor reverted")

    @property
    def _is_first_contact(self) -> bool:
        # The archive mark is Tandem's own: nobody filled it in, and a former link may have left it.
        return self.name not in self.known.agreed and self.name != STATUS

    @property
    def _is_invented(self) -> bool:
        """Whether this is the name at Togai and Tandem made it, of the e-mail address: no person wants it kept."""
        if self.name != "name" or self.owner != "stripe":
            return False
        name = togai_value("name", self.seen)
        made_here = self.seen.is_created_here and name == togai_value("email", self.seen)
        return made_here or digest(name) == self.known.agreed.get("email")

    def _is_late_write(self, at: Side) -> bool:
        """Whether what stands at a side is a write of ours that landed after a newer one."""
        present = digest(value_at(at, self.name, self.seen))
        return present in {write.fields.get(self.name) for write in self.known.open if write.to == at}

    def _fill(self) -> None:
        """First contact, and the owner has nothing, or less: what stands at the other side is copied to it."""
        notes: list[str] = []
        value = self._wanted(self.owner, notes)
        if isinstance(value, Blocked):
            self._show(value.reason, value.refused)
            return
        theirs = value_at(OTHER_SIDE[self.owner], self.name, self.seen)
        # A lossy copy is agreed on by the next look, which sees what the owner made of it.
        self._write(self.owner, value, digest(theirs) if value == theirs else "", notes)

    def _write(self, to: Side, value: Value, agreed: str, notes: Iterable[str]) -> None:
        """Write a value, unless the vendor refused just this one."""
        former = self.known.differences.get(self.name)
        mark = refusal(value, to, self.seen)
        if former and former.refused == mark:
            self._show(former.reason, mark)
            return
        self.found.write[to][self.name] = value
        self.found.notes += notes
        if agreed:
            self.found.agreed[self.name] = agreed

    def _show(self, reason: str, refused: str = "") -> None:
        at_togai, at_stripe = togai_value(self.name, self.seen), stripe_value(self.name, self.seen.stripe)
        if at_togai == at_stripe and not self.name.startswith((METADATA, STATUS)):
            at_togai = customers_own(self.name, self.seen.customer)  # the one above the account is the other one
        if at_togai != at_stripe:
            self.found.different.append(FieldConflict(self.name, self.owner, at_togai, at_stripe, reason, refused))

    def _wanted(self, to: Side, notes: list[str]) -> Value | Blocked:
        """The value of the side across from `to`, in the terms of `to`."""
        try:
            if to == "stripe":
                return for_stripe(self.name, self.seen, notes)
            return for_togai(self.name, self.seen, notes, invented=self._is_invented)
        except Waiting as error:
            return Blocked(error.message, digest(error.message) if error.code in LIMITS else "")


def _in_step(name: str, wanted: Value | Blocked, owner: Side, seen: PairSnapshot) -> bool:
    """Whether the other side shows the owner's value, or the owner has just what the other's becomes there."""
    if owner == "togai":
        there = stripe_value(name, seen.stripe)
        return there == wanted or togai_value(name, seen) in (there, converted("togai", name, seen))
    there = togai_value(name, seen)
    shown = there in (wanted, stripe_value(name, seen.stripe), converted("togai", name, seen))
    if not shown or not seen.is_sole_account or not seen.is_created_here or name.startswith(METADATA):
        return shown
    # What Tandem made at Togai shows the value twice: a stale one above the account would be seen on invoices.
    return customers_own(name, seen.customer) == there


def _left_out(name: str, seen: PairSnapshot) -> str:
    """What of Stripe's value Togai does not take, in words."""
    notes: list[str] = []
    if name == "address":
        togai_address(seen.stripe, notes)
    return "; ".join(notes)


def _is_fuller(side: Side, name: str, seen: PairSnapshot) -> bool:
    """Whether a side's value holds the other's and more: of an address, every part that the other has, and others."""
    other = OTHER_SIDE[side]
    if is_empty(side, name, seen):
        return False
    if is_empty(other, name, seen):
        return True
    mine, less = value_at(side, name, seen), value_at(other, name, seen)
    return isinstance(mine, dict) and isinstance(less, dict) and less.items() < mine.items()


def refusal(value: Value, to: Side, seen: PairSnapshot) -> str:
    """A mark of a value that a vendor refused, and of what else the refusal may depend on."""
    if to == "stripe":
        return digest([value, sorted(seen.stripe.metadata)])
    return digest([value, seen.account.status, seen.customer.status])


def present_marks(
    seen: PairSnapshot, pair: Pair, *, owners: Mapping[str, str], metadata: Iterable[str]
) -> dict[str, str]:
    """What is agreed on if every value of today is meant: differences are shown, and no value travels."""
    found: dict[str, str] = {}
    for name in names(metadata):
        other = OTHER_SIDE[owner_of(name, pair, owners)]
        try:
            wanted: Value = for_stripe(name, seen, []) if other == "stripe" else for_togai(name, seen, [])
        except Waiting:
            wanted = value_at(other, name, seen)
        found[name] = digest(wanted)
    return found


def differences(decision: Decision, known: Known, at: str) -> dict[str, Difference]:
    """What a look at a time shows, as records; one that stands already keeps the time at which it was first seen."""
    return {d.field: _difference(d, known.differences.get(d.field), at) for d in decision.different}


def _difference(found: FieldConflict, former: Difference | None, at: str) -> Difference:
    new = Difference(
        owner=found.owner,
        togai=msgspec.json.encode(found.togai).decode(),
        stripe=msgspec.json.encode(found.stripe).decode(),
        reason=found.reason,
        refused=found.refused,
        since=at,
    )
    same = former is not None and msgspec.structs.replace(former, since="") == msgspec.structs.replace(new, since="")
    return former if same and former else new


def created_equal(pair: Pair, owners: Mapping[str, str], values: Mapping[str, Value]) -> dict[str, str]:
    """What a pair that is just being made agrees on: the fields that its source owns, as they are written."""
    made = msgspec.structs.replace(pair, origin_app=app_of(pair.source))
    return {name: digest(value) for name, value in values.items() if owner_of(name, made, owners) == made.origin_app}
