"""The invariants about pairs: nothing lost, nothing doubled, no wrong field, no echo. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.reliability.checker.broken import Broken
from tests.reliability.customers.facts import CustomerFacts
from tests.reliability.customers.units import FIELDS, Unit, Value, World
from tests.reliability.customers.values import shown_by_stripe, shown_by_togai


def lost(facts: CustomerFacts) -> Iterator[Broken]:
    """Everything that people made has its other side, and both name each other; every creation is in the log."""
    for unit in facts.world.units.values():
        for what in _missing(facts, unit):
            yield Broken("lost", unit.key, what)
    changed = {e.value["subject"] for e in facts.events if e.value["type"] == "togai.account.updated"}
    created = {e.value["subject"] for e in facts.events if e.value["type"] == "togai.account.created"}
    for name in facts.accounts.keys() - created:
        # Whose webhook was dropped, and whom the lists show in the archive first, comes as a change: nothing is made.
        if not (name in changed and facts.is_archived(name)):
            yield Broken("lost", name, "its creation in Togai is not in the log")


def _missing(facts: CustomerFacts, unit: Unit) -> Iterator[str]:
    if unit.must in ("wait", "either") or (unit.must == "partner" and unit.origin == "stripe"):
        return
    account, customer = facts.account_of(unit), facts.customer_of(unit)
    if unit.early and not account:
        return  # deleted before anybody made the other side: nothing is owed
    if not account or account not in facts.accounts:
        yield "has no account in Togai"
        return
    if not customer or customer not in facts.stripe:
        yield f"has no customer in Stripe ({account} names {customer or 'none'})"
        return
    if unit.must == "partner" and customer != facts.customers.get(unit.partner):
        yield f"is linked to {customer}, not to {unit.partner}, which it names"
    named = facts.stripe[customer]["metadata"].get("togai_account_id")
    if named != account and not unit.deleted:
        yield f"{customer} names {named}, not {account}"
    pairs = [m for m in facts.mappings.values() if m["state"] in ("linked", "deleted") and _names(m, account, customer)]
    if len(pairs) != 1:
        yield f"{len(pairs)} mappings name {account} and {customer}"
    elif unit.deleted and pairs[0]["state"] != "deleted":
        yield f"{customer} was deleted, the mapping says {pairs[0]['state']}"


def _names(mapping: dict[str, str], *ids: str) -> bool:
    own = {ref.rpartition("/")[2] for ref in (mapping["source"], mapping.get("target", ""))}
    return own == set(ids)


def doubled(facts: CustomerFacts) -> Iterator[Broken]:
    """Nothing is there twice, and nothing that nobody asked for."""
    for account, customers in facts.named.items():
        living = [c for c in customers if not facts.stripe[c].get("deleted")]
        if len(customers) > 1 and not _is_contested(facts, customers):
            yield Broken("doubled", account, f"{len(customers)} customers in Stripe ({len(living)} alive): {customers}")
    for customer, count in Counter(facts.settings.values()).items():
        if count > 1 and customer:
            yield Broken("doubled", customer, f"{count} accounts in Togai name it")
    made_by_people = set(facts.customers.values())
    wanted = {account for unit in facts.world.units.values() if (account := facts.account_of(unit))}
    for customer in facts.stripe.keys() - made_by_people:
        if facts.stripe[customer]["metadata"].get("togai_account_id") not in wanted:
            yield Broken("doubled", customer, "nobody asked for this customer in Stripe")
    for name in facts.accounts.keys() - wanted:
        yield Broken("doubled", name, "nobody asked for this account in Togai")
    yield from _silent_twins(facts)


def _is_contested(facts: CustomerFacts, customers: list[str]) -> bool:
    """Whether people themselves made a customer that names another one's account: a conflict that is shown."""
    units = facts.world.units
    waiting = {facts.customers.get(u.key) for u in units.values() if u.must == "wait"}
    return len([c for c in customers if c not in waiting]) <= 1


def _silent_twins(facts: CustomerFacts) -> Iterator[Broken]:
    """One address on both sides ends as one pair, or as a conflict that is shown: never as two pairs."""
    for unit in facts.world.units.values():
        if unit.must != "either" or unit.origin != "togai":
            continue
        customer = facts.customer_of(unit)
        other = facts.customers[unit.partner]
        both_have_one = customer and any(value == other for value in facts.settings.values())
        if both_have_one and customer != other:
            yield Broken("doubled", unit.key, f"it and {other} have one address and became two pairs")


def fields(facts: CustomerFacts) -> Iterator[Broken]:
    """The owner's values stand on both sides; what people set on the other side stays, and is shown as different."""
    for unit in facts.world.units.values():
        if unit.must not in ("link", "partner") or unit.deleted or (unit.must == "partner" and unit.origin == "stripe"):
            continue
        account, customer = facts.account_of(unit), facts.customer_of(unit)
        if account in facts.accounts and customer in facts.stripe:
            for what in _wrong(facts, unit, account, customer):
                yield Broken("fields", unit.key, what)


def _wrong(facts: CustomerFacts, unit: Unit, account: str, customer: str) -> Iterator[str]:
    row = facts.accounts[account]
    togai = shown_by_togai(row, facts.parents[row["customerId"]])
    stripe = shown_by_stripe(facts.stripe[customer])
    owner, other = (togai, stripe) if unit.origin == "togai" else (stripe, togai)
    different = _shown_differences(facts, account)
    world = facts.world
    for name in FIELDS:
        wanted = world.shown(unit, name)
        if owner[name] != wanted and not (owner[name] == "" and name in different and _is_unfilled(world, unit, name)):
            yield f"{name} at its owner is {owner[name]!r}, people set {wanted!r}"
        allowed: list[Value] = [wanted, *([unit.hand[name]] if name in unit.hand else [])]
        if unit.origin == "stripe" and world.is_archived(unit):
            allowed += [
                "",
                *unit.past.get(name, []),
            ]  # an archived account takes no changes: it follows when it is back
        if other[name] not in allowed:
            yield f"{name} on the other side is {other[name]!r}, must be {wanted!r}"
        elif other[name] != wanted and name not in different:
            yield f"{name} differs ({owner[name]!r} / {other[name]!r}) and is not shown as different"
    status = facts.stripe[customer]["metadata"].get("togai_status", "")
    if status != ("archived" if world.is_archived(unit) else ""):
        yield f"the mark in Stripe says {status or 'active'!r}, the account is {row['status']}"


def _is_unfilled(world: World, unit: Unit, name: str) -> bool:
    """Whether an account's own value is still to come from its customer: an archived one takes no changes, and may be
    archived between its link and its first comparison.
    """
    return unit.origin == "togai" and world.is_archived(unit) and not unit.values.get(name)


def _shown_differences(facts: CustomerFacts, account: str) -> set[str]:
    """Fields that either side's record of the pair shows as different."""
    found: set[str] = set()
    for state in facts.states.values():
        if any(ref.rpartition("/")[2] == account for ref in state["pair"]):
            found |= state.get("differences", {}).keys()
    return found


def echo(facts: CustomerFacts) -> Iterator[Broken]:
    """Tandem makes nothing for what it made itself, and writes no owned field at its owner."""
    run = facts.run
    for customer in facts.stripe.values():
        first = facts.versions[f"{run.stripe_account}/customer/{customer['id']}"][0]
        account = first["body"]["metadata"].get("togai_account_id")
        origin = facts.versions.get(f"{run.togai_org}/account/{account}", [{"caller": ""}])[0]
        if first["caller"] in run.keys and origin["caller"] in run.keys:
            yield Broken("echo", customer["id"], f"made for {account}, which Tandem made itself")
    for account, customer_id in facts.settings.items():
        made = [facts.versions.get(f"{run.togai_org}/account/{account}", [{"caller": ""}])[0]]
        made += facts.versions.get(f"{run.stripe_account}/customer/{customer_id}", [{"caller": ""}])[:1]
        if all(version["caller"] in run.keys for version in made):
            yield Broken("echo", account, f"made for {customer_id}, which Tandem made itself")
    for unit in facts.world.units.values():
        if unit.must == "link" or (unit.must == "partner" and unit.origin == "togai"):
            yield from _written_back(facts, unit)


def _written_back(facts: CustomerFacts, unit: Unit) -> Iterator[Broken]:
    run = facts.run
    if unit.origin == "stripe":
        places = [f"{run.stripe_account}/customer/{facts.customers.get(unit.key)}"]
    else:
        account = facts.account_of(unit)
        parent = facts.accounts.get(account, {}).get("customerId")
        places = [f"{run.togai_org}/account/{account}", f"{run.togai_org}/customer/{parent}"]
    for place in places:
        history = facts.versions.get(place, [])
        for before, after in zip(history, history[1:], strict=False):
            if after["caller"] not in run.keys or _is_filling(facts, unit, before["body"], after["body"]):
                continue
            if changed := _changed(unit, before["body"], after["body"]):
                yield Broken("echo", unit.key, f"Tandem wrote {', '.join(changed)} at the owner ({place})")


def _is_filling(facts: CustomerFacts, unit: Unit, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a write gave an account the VAT number that its Stripe customer had before the two were linked."""
    had, has = ((body.get("metadata") or {}).get("VATN", "") for body in (before, after))
    same = all(before.get(name) == after.get(name) for name in ("name", "primaryEmail", "address"))
    return same and not had and bool(has) and has == facts.world.filled(unit)


def _changed(unit: Unit, before: dict[str, object], after: dict[str, object]) -> list[str]:
    if unit.origin == "togai":
        names = ("name", "primaryEmail", "address", "metadata")
        return [name for name in names if before.get(name) != after.get(name)]
    old, new = shown_by_stripe(before), shown_by_stripe(after)
    return [name for name in FIELDS if old[name] != new[name]]
