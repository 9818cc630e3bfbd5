"""The index of entities: ids, e-mail addresses and states of both sides, folded from a compacted topic.

The pollers of ingress write it; workers ask it for an address, which neither vendor can be asked for in a way that can
be trusted. It is a hint: what it names is read at the vendor before anything is done with it. Pure.
"""

from __future__ import annotations

import string
from collections.abc import Collection
from typing import Literal, TypeVar

import msgspec

from shared.events.envelope import SCHEMA_VERSION, check_version
from shared.identity import Ref

EntityState = Literal["active", "archived", "deleted"]
K = TypeVar("K")


class Entity(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What was last seen of an entity. A record keyed by `ref`.

    - `email`: normalized, of an account without one that of its customer; empty if there is none.
    - `parent`: the Togai customer of an account, the account of a setting.
    - `names`: the id at the other app that it names as its partner, as a Stripe customer's metadata do, and a setting
      for its account.
    - `digest`: of the content, to see a change by; `seq` counts the changes and makes the ids of their events.
    - `newcomer`: an account that was made since its organization is ours: it is to have its other side.
    """

    ref: str
    state: EntityState = "active"
    email: str = ""
    parent: str = ""
    digest: str = ""
    seq: int = 0
    newcomer: bool = False
    names: str = ""
    schemaversion: str = SCHEMA_VERSION


_decoder = msgspec.json.Decoder(Entity)
encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> Entity:
    """Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    entity = _decoder.decode(value)
    check_version(entity.schemaversion)
    return entity


_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def normalized_email(address: str | None) -> str:
    """Two addresses are one if they differ in ASCII capitals or surrounding space only; empty for none.

    Unicode case folding would join addresses of different people: the Kelvin sign with k, the sharp s with ss.
    """
    return (address or "").strip().translate(_ASCII_LOWER)


class EntityIndex:
    """Every entity that the pollers have seen, by ref, by address and by parent.

    `linked` are the kinds, as (app, noun), that are linked by their address: others are not found by it. None: all are.
    """

    def __init__(self, linked: Collection[tuple[str, str]] | None = None) -> None:
        self._linked = linked
        self._by_ref: dict[str, Entity] = {}
        self._by_email: dict[tuple[str, str], dict[str, None]] = {}
        self._children: dict[str, dict[str, None]] = {}
        self._by_named: dict[tuple[str, str], dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._by_ref)

    def apply(self, entity: Entity) -> None:
        """Fold one record: the last one of a ref holds."""
        self._forget(self._by_ref.get(entity.ref))
        self._by_ref[entity.ref] = entity
        if entity.email and entity.state == "active" and self._is_linked(entity.ref):
            self._by_email.setdefault(_place(entity), {})[entity.ref] = None
        if entity.parent:
            self._children.setdefault(entity.parent, {})[entity.ref] = None
        if entity.names and entity.state != "deleted":
            self._by_named.setdefault(_named(entity), {})[entity.ref] = None

    def _is_linked(self, ref: str) -> bool:
        found = Ref.parse(ref)
        return self._linked is None or (found.app, found.noun) in self._linked

    def _forget(self, known: Entity | None) -> None:
        if known is None:
            return
        _remove(self._by_email, _place(known), known.ref)
        _remove(self._children, known.parent, known.ref)
        _remove(self._by_named, _named(known), known.ref)

    def get(self, ref: str) -> Entity | None:
        return self._by_ref.get(ref)

    def with_email(self, app_account: str, email: str) -> list[Entity]:
        """The active entities of an app account that have the (normalized) address."""
        return [self._by_ref[ref] for ref in self._by_email.get((app_account, email), ())]

    def children(self, parent: str) -> list[Entity]:
        """What stands under an entity, as the accounts of a Togai customer."""
        return [self._by_ref[ref] for ref in self._children.get(parent, ())]

    def who_name(self, app_account: str, named: str) -> list[str]:
        """Refs of those of an app account that name an id at the other app."""
        found = (self._by_ref[ref] for ref in self._by_named.get((app_account, named), ()))
        return [entity.parent or entity.ref for entity in found]

    def of(self, app_account: str, noun: str) -> list[Entity]:
        """Everything of one kind at one app account."""
        start = f"{app_account}/{noun}/"
        return [entity for ref, entity in self._by_ref.items() if ref.startswith(start)]


def _place(entity: Entity) -> tuple[str, str]:
    return (entity.ref.partition("/")[0], entity.email)


def _named(entity: Entity) -> tuple[str, str]:
    return (entity.ref.partition("/")[0], entity.names)


def _remove(places: dict[K, dict[str, None]], place: K, ref: str) -> None:
    found = places.get(place)
    if found is not None:
        found.pop(ref, None)
        if not found:
            del places[place]
