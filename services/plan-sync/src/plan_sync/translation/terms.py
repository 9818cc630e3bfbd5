"""What a plan asks for, in whichever form of Togai's API it was read. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from shared.domains.plans.prices import CardKind

Model = Literal["TIERED", "VOLUME"]
PriceType = Literal["FLAT", "PER_UNIT", "PACKAGE"]


class Inexpressible(Exception):
    """Why a rate card cannot be a Stripe price, as the end of a sentence about it."""


@dataclass(frozen=True)
class Slab:
    """What quantities beyond a start cost. `package` is the number of units in a package."""

    start_after: Decimal
    price_type: PriceType
    rate: Decimal
    package: Decimal | None = None


@dataclass(frozen=True)
class Rating:
    """How quantities are priced in one currency."""

    model: Model
    slabs: tuple[Slab, ...]
    obstacle: str = ""
    """What of it Tandem cannot carry over, as the end of a sentence; empty for nothing."""


@dataclass(frozen=True)
class Card:
    """A rate card. One with `granted` quantities asks for these; one without, for any quantity."""

    key: str
    kind: CardKind
    billable: str
    name: str
    ratings: Mapping[str, Rating]
    in_advance: bool = False
    one_time: bool = False
    every: int = 1
    """In pricing cycles."""
    offset: int = 0
    granted: Mapping[str, Decimal] = field(default_factory=dict)
    obstacle: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Terms:
    """A version of a plan: its cycle, and what it asks for. `notes` are whole sentences."""

    interval: str
    cards: tuple[Card, ...]
    notes: tuple[str, ...] = ()
