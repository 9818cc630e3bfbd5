"""What a run wrote to a linked pair is taken back by hand: what it replaced is written where its value still stands."""

from __future__ import annotations

from typing import Any

from shared.domains.customers.stripe import LinkChange, LinkChanged
from shared.domains.customers.writes import lasting
from shared.domains.writes import FieldWrite, by_app
from shared.errors import Malformed, NotReady
from shared.events.envelope import timestamp
from shared.identity import Ref, digest
from shared.linking.claims import now
from shared.linking.fields import decide, differences, present_marks
from shared.linking.mappings import Mapping
from shared.linking.pairs import Known, Side
from shared.runtime.actions import Context, Ended, Result

from customer_sync.actions.field_writes import CustomerPair, read_pair
from customer_sync.patches import former_fields, former_params
from customer_sync.values import PairSnapshot


async def revert(context: Context, wanted: LinkChange) -> Result:
    """Write back, and remember that both sides differ on purpose: neither value travels until its owner changes it.

    What is sent is announced before: who sees the echo waits, and a later try of the run knows its own writes.
    """
    account_ref = context.ref("togai", "account", wanted.togai_account_id)
    pair = context.claims.index.pair(account_ref)
    if pair is None or pair.state != "linked" or not context.is_own(pair.refs):
        raise Ended("skipped", f"{account_ref} is not linked: nothing is written back", (account_ref,))
    known = context.pairs.known(pair, "togai")
    context.take_over(known.open)
    seen = await read_pair(context, pair)
    notes: list[str] = [f"reverted by hand: {wanted.reason}"]
    to_send = [back for write in reversed(wanted.writes) if (back := _back(write, seen, context.writes, notes))]
    if to_send:
        marks, replaces = _marks(to_send), by_app(to_send)
        await context.pairs.begin(pair, "togai", context.run.id, marks, known, replaces=replaces, by_hand=True)
    for back in to_send:
        await _send(context, back)
    present = await CustomerPair.read(context, pair, known)
    policy = present.policy
    agreed = known.agreed | present_marks(policy)
    policy.known = Known(agreed=agreed)
    decision = decide(policy)
    if decision.writes:
        raise NotReady(f"{pair.id} was changed meanwhile: looking again", code="moved")
    await context.pairs.commit(
        pair,
        "togai",
        context.run.id,
        seen=known,
        agreed=agreed,
        differences=differences(decision, known, timestamp(now())),
        written=bool(made := context.writes),
        seen_at=present.seen_at,
    )
    return Result(_changed(pair, wanted, made), bool(made), tuple(notes), pair.refs)


def _changed(pair: Mapping, wanted: LinkChange, made: list[FieldWrite]) -> LinkChanged:
    customer = next(ref for ref in pair.refs if Ref.parse(ref).app == "stripe")
    return LinkChanged(
        mapping=pair.id,
        togai_account_id=wanted.togai_account_id,
        stripe_customer_id=Ref.parse(customer).id,
        writes=made,
    )


def _marks(writes: list[FieldWrite]) -> dict[Side, dict[str, str]]:
    """The marks of what is to be sent, by side. Under names that are no field's: nothing of it is ever a late write."""
    found: dict[Side, dict[str, str]] = {}
    for write in writes:
        marks = {f"{write.entity}#{name}": digest(value) for name, value in write.set.items()}
        found.setdefault(Ref.parse(write.entity).app, {}).update(marks)
    return found


def _back(write: FieldWrite, seen: PairSnapshot, made: list[FieldWrite], notes: list[str]) -> FieldWrite | None:
    """The write that puts the former values back, of those fields that still show what was written. `made` are those
    that an earlier try of the run has sent.
    """
    present = _present(write, seen)
    found = {name: value for name, value in write.former.items() if present[name] == _shown(write.set.get(name))}
    sent = [back.set for back in made if back.entity == write.entity]
    own = {name for set_ in sent for name, value in set_.items() if present.get(name) == _shown(value)}
    for name in write.set.keys() - found.keys() - own:
        notes.append(f"{name} of {write.entity} was changed since: it stays")
    for name in found.keys() & lasting(write):
        notes.append(f"{name} of {write.entity} had no value, and Togai takes none back: it stays")
        found.pop(name)
    back = {name: {} if value is None else value for name, value in found.items()}
    return FieldWrite(entity=write.entity, set=back, former={name: write.set[name] for name in back}) if back else None


def _present(write: FieldWrite, seen: PairSnapshot) -> dict[str, Any]:
    """What stands at the entity now, in the shape of the write. Raises Malformed for one that is not the pair's."""
    ref = Ref.parse(write.entity)
    if ref.app == "stripe" and ref.id == seen.stripe.id:
        found = former_params(write.set, seen.stripe)
    elif ref.app == "togai" and ref.noun == "account" and ref.id == seen.account.id:
        found = former_fields(write.set, seen.account)
    elif ref.app == "togai" and ref.noun == "customer" and ref.id == seen.customer.id:
        found = former_fields(write.set, seen.customer)
    else:
        raise Malformed(f"{write.entity} is not of this pair")
    return {name: _shown(value) for name, value in found.items()}


def _shown(value: Any) -> Any:
    """A value as it reads after it was written: an address without its empty parts, and "" for no value."""
    if isinstance(value, dict):
        return {name: part for name, part in value.items() if part} or ""
    return "" if value is None else value


async def _send(context: Context, write: FieldWrite) -> None:
    ref, entity = Ref.parse(write.entity), context.id_of(write.entity)
    client = await context.client(ref.app)
    with context.writing(write):
        await (client.update_account if ref.noun == "account" else client.update_customer)(entity, write.set)
