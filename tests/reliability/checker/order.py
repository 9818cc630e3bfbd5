"""No effect takes an entity back to an older state: proved from every version that the vendors kept. Pure.

Values never come twice, so each write of Tandem tells which state of the owner it brings. Those states must come in the
order in which they were set. A write of an older one is stale; it is excused where a process stood still or a call hung
between the worker's read and its landing, and only if a later write mended it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.reliability.checker.broken import Broken
from tests.reliability.checker.facts import Facts

Json = dict[str, Any]
Value = str | dict[str, str]
Version = tuple[float, str, Json]
"""When a state began, by whose call, and its fields."""
SLACK = 10.0
"""Seconds around a pause in which a write that was decided before it may still land."""


@dataclass(frozen=True)
class Written:
    """A field's value as Tandem wrote it on the other side."""

    at: float
    value: Value


@dataclass(frozen=True)
class Stale:
    """A write that brought an older state than one before it."""

    name: str
    at: float
    value: Value
    mended: bool


def backwards(facts: Facts, entity: str, found: Iterable[Stale]) -> Iterator[Broken]:
    """Every stale write to an entity that nothing explains, or that nothing mended."""
    for stale in found:
        if not stale.mended:
            yield Broken("backwards", entity, f"{stale.name} went back to {stale.value!r} and stayed so")
        elif not excused(facts, stale.at):
            yield Broken("backwards", entity, f"{stale.name} went back to {stale.value!r} for a while")


def writes(versions: list[Version], name: str, keys: tuple[str, str]) -> list[Written]:
    """What Tandem set a field to, as far as that changed it."""
    found, before = [], None
    for at, caller, values in versions:
        if caller in keys and values[name] != before:
            found.append(Written(at, values[name]))
        before = values[name]
    return found


def stale(name: str, states: list[Value], writes: list[Written]) -> Iterator[Stale]:
    """Each write must bring a state that is not older than the one that the last write brought."""
    place = 0
    for n, write in enumerate(writes):
        later = next((p for p in range(place, len(states)) if states[p] == write.value), None)
        if later is not None:
            place = later
        else:
            mended = any(w.value == states[p] for w in writes[n + 1 :] for p in range(place, len(states)))
            yield Stale(name, write.at, write.value, mended)


def excused(facts: Facts, at: float) -> bool:
    """Whether a process stood still, or a call of Tandem hung before its landing, when the write landed."""
    if any(begin - SLACK <= at <= end + SLACK for begin, end, _ in facts.run.pauses):
        return True
    held = [c for c in facts.calls if c["fault"] in ("hang_before", "slow") and c["caller"] in facts.run.keys]
    return any(c["began"] <= at <= c["at"] + SLACK for c in held)
