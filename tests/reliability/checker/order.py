"""No effect takes an entity back to an older state: proved from every version that the vendors kept. Pure.

Values never come twice, so each write of Tandem tells which state of the owner it brings. Those states must come in the
order in which they were set. A write of an older one is stale; it is borne where a process stood still or a call hung
between the worker's look and its landing, and only if a later write mended it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.reliability.checker.facts import Facts
from tests.reliability.checker.pairs import Broken
from tests.reliability.checker.values import shown_by_stripe, shown_by_togai
from tests.reliability.units import FIELDS, Unit, Value

Json = dict[str, Any]
STATUS = "status"
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


def backwards(facts: Facts) -> Iterator[Broken]:
    """Every stale write that nothing explains, or that nothing mended."""
    for unit in facts.run.world.units.values():
        if unit.must == "link" or (unit.must == "partner" and unit.origin == "togai"):
            for stale in stale_writes(facts, unit):
                if not stale.mended:
                    yield Broken("backwards", unit.key, f"{stale.name} went back to {stale.value!r} and stayed so")
                elif not excused(facts, stale.at):
                    yield Broken("backwards", unit.key, f"{stale.name} went back to {stale.value!r} for a while")


def stale_writes(facts: Facts, unit: Unit) -> Iterator[Stale]:
    """Every write to a unit's other side that brings an older value of its owner's than an earlier write did."""
    run = facts.run
    account, customer = facts.account_of(unit), facts.customer_of(unit)
    row = facts.accounts.get(account)
    if row is None or not customer:
        return
    in_stripe = facts.versions.get(f"{run.stripe_account}/customer/{customer}", [])
    accounts = facts.versions.get(f"{run.togai_org}/account/{account}", [])
    parents = facts.versions.get(f"{run.togai_org}/customer/{row['customerId']}", [])
    stripe = [(v["at"], v["caller"], _of_stripe(v["body"])) for v in in_stripe]
    togai = [(at, caller, values) for at, caller, values in _joined(accounts, parents)]
    owner, other = (togai, stripe) if unit.origin == "togai" else (stripe, togai)
    for name in (*FIELDS, STATUS):
        source = togai if name == STATUS else owner
        target = stripe if name == STATUS else other
        yield from _stale(name, [values[name] for _, _, values in source], _writes(target, name, run.keys))


def _writes(versions: list[tuple[float, str, Json]], name: str, keys: tuple[str, str]) -> list[Written]:
    """What Tandem set a field to, as far as that changed it."""
    found, before = [], None
    for at, caller, values in versions:
        if caller in keys and values[name] != before:
            found.append(Written(at, values[name]))
        before = values[name]
    return found


def _stale(name: str, states: list[Value], writes: list[Written]) -> Iterator[Stale]:
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


def _of_stripe(body: Json) -> Json:
    return {**shown_by_stripe(body), STATUS: body["metadata"].get("togai_status", "")}


def _joined(accounts: list[Json], parents: list[Json]) -> Iterator[tuple[float, str, Json]]:
    """The states of an account with the customer above it, one for each version of either."""
    versions = sorted([(v["seq"], "account", v) for v in accounts] + [(v["seq"], "parent", v) for v in parents])
    now: dict[str, Json] = {}
    for _, kind, version in versions:
        now[kind] = version["body"]
        if len(now) == 2:
            archived = "ARCHIVED" in (now["account"]["status"], now["parent"]["status"])
            values = shown_by_togai(now["account"], now["parent"])
            yield version["at"], version["caller"], {**values, STATUS: "archived" if archived else ""}
