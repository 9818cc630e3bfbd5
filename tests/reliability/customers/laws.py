"""The laws about customers by invariant, and who may wait. Pure."""

from __future__ import annotations

from tests.reliability.checker.laws import Laws
from tests.reliability.customers import order, pairs
from tests.reliability.customers.facts import CustomerFacts


def laws(facts: CustomerFacts) -> Laws:
    """What must hold of the customers of one moment."""
    return Laws(
        broken={
            "lost": pairs.lost(facts),
            "doubled": pairs.doubled(facts),
            "fields": pairs.fields(facts),
            "backwards": order.backwards(facts),
            "echo": pairs.echo(facts),
        },
        waiting=waiting(facts),
        counts=lambda: counts(facts),
    )


def counts(facts: CustomerFacts) -> dict[str, int]:
    """What the report shows besides."""
    linked = [unit for unit in facts.world.units.values() if unit.must == "link"]
    stale = [write for unit in linked for write in order.stale_writes(facts, unit)]
    return {"late writes, mended by the next comparison": len([write for write in stale if write.mended])}


def waiting(facts: CustomerFacts) -> set[str]:
    """Entities whose runs wait for an address, or for a person's decision."""
    found: set[str] = set()
    for unit in facts.world.units.values():
        if unit.must in ("wait", "either"):
            found |= {facts.account_of(unit), facts.customer_of(unit), facts.customers.get(unit.key, "")}
            found.add(f"acct-{unit.key}")
    return found - {""}
