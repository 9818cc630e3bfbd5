"""What the model remembers: every thing that people made, the values that they last set, and what must come of it.

A unit is one account in Togai or one customer in Stripe as people made it; its other side is Tandem's to make. Pure,
and free of the product: what must come out is said once more here, from the documents and not from the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Side = Literal["togai", "stripe"]
Value = str | dict[str, str]
FIELDS = ("name", "email", "phone", "address", "metadata.VATN")
VATN = "metadata.VATN"


@dataclass
class Parent:
    """A Togai customer: what its accounts show where they have nothing of their own. The name is always its."""

    key: str
    values: dict[str, Value] = field(default_factory=dict)
    archived: bool = False


@dataclass
class Unit:
    """One thing that people made.

    - `parent`: the Togai customer above it, for a unit born in Togai.
    - `values`: what was last set on the side of birth; `hand`: what was set on the other side after that, by field;
      `past`: everything that was ever set, on either side, in order.
    - `must`: `link` (it gets exactly one other side), `wait` (for an address, or for a person: it gets none), `partner`
      (it is linked to the unit that `partner` names), `either` (a pair with its partner, or a conflict that is shown).
    - `deleted`: the Stripe customer of the pair is gone, `early` if that was before anybody saw the pair linked.
    """

    key: str
    origin: Side
    parent: str = ""
    values: dict[str, Value] = field(default_factory=dict)
    hand: dict[str, Value] = field(default_factory=dict)
    past: dict[str, list[Value]] = field(default_factory=dict)
    must: Literal["link", "wait", "partner", "either"] = "link"
    partner: str = ""
    archived: bool = False
    deleted: bool = False
    early: bool = False

    def set(self, name: str, value: Value) -> None:
        """A person on the owning side: this value must come to stand on both."""
        self.values[name] = value
        # What was set by hand is past too: an archived account still shows it.
        self.past.setdefault(name, []).extend([*([self.hand.pop(name)] if name in self.hand else []), value])

    @property
    def is_free(self) -> bool:
        """Whether people go on changing it: where a conflict decides, nothing more is done."""
        return self.must in ("link", "wait") or (self.must == "partner" and self.origin == "togai")


@dataclass
class World:
    """All that people made, by key."""

    parents: dict[str, Parent] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)

    def shown(self, unit: Unit, name: str) -> Value:
        """A field as its owner shows it; empty for none. An account shows its own, else its Togai customer's. Where it
        has none and is linked to a Stripe customer that has, the first contact fills it.
        """
        if unit.origin == "stripe":
            return unit.values.get(name, "")
        above = self.parents[unit.parent].values
        if name == "name":
            return above["name"]
        if name == VATN:
            return unit.values.get(name, "") or self.filled(unit)
        return unit.values.get(name) or above.get(name, "")

    def filled(self, unit: Unit) -> Value:
        """The VAT number that an account's Stripe customer had before the two were linked; empty for none. Nobody
        changes such a customer, so it has it still.
        """
        partner = self.units.get(unit.partner) if unit.must == "partner" else None
        return partner.values.get(VATN, "") if partner else ""

    def is_archived(self, unit: Unit) -> bool:
        """An account is archived by itself or with its customer."""
        return unit.archived or (unit.origin == "togai" and self.parents[unit.parent].archived)


def customer_id(parent: str) -> str:
    """The id that people give to a Togai customer."""
    return f"cust-{parent}"


def account_id(unit: str) -> str:
    """The id that people give to a Togai account."""
    return f"acct-{unit}"
