"""The order of what Tandem writes to customers and accounts, from the versions that both vendors kept. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tests.reliability.checker import order
from tests.reliability.checker.broken import Broken
from tests.reliability.checker.order import Json, Stale, Version, stale, writes
from tests.reliability.customers.facts import CustomerFacts
from tests.reliability.customers.units import FIELDS, Unit
from tests.reliability.customers.values import shown_by_stripe, shown_by_togai

STATUS = "status"


def backwards(facts: CustomerFacts) -> Iterator[Broken]:
    """Every stale write that nothing explains, or that nothing mended."""
    for unit in facts.world.units.values():
        if unit.must == "link" or (unit.must == "partner" and unit.origin == "togai"):
            yield from order.backwards(facts, unit.key, stale_writes(facts, unit))


def stale_writes(facts: CustomerFacts, unit: Unit) -> Iterator[Stale]:
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
        yield from stale(name, [values[name] for _, _, values in source], writes(target, name, run.keys))


def _of_stripe(body: Json) -> Json:
    return {**shown_by_stripe(body), STATUS: body["metadata"].get("togai_status", "")}


def _joined(accounts: list[Json], parents: list[Json]) -> Iterator[Version]:
    """The states of an account with the customer above it, one for each version of either."""
    versions = sorted([(v["seq"], "account", v) for v in accounts] + [(v["seq"], "parent", v) for v in parents])
    now: dict[str, Json] = {}
    for _, kind, version in versions:
        now[kind] = version["body"]
        if len(now) == 2:
            archived = "ARCHIVED" in (now["account"]["status"], now["parent"]["status"])
            values = shown_by_togai(now["account"], now["parent"])
            yield version["at"], version["caller"], {**values, STATUS: "archived" if archived else ""}
