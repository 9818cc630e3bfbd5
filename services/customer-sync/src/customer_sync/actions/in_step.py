"""A linked pair is looked at from either side: both are read, and where the owner of a field changed it, it is written.

The event's own snapshot saves a read as long as nothing is to be written or shown anew: if it is stale, a later event
follows. What is written is decided on what both sides said just before.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace

import msgspec
from pydantic import ValidationError
from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai.models import TogaiAccount, TogaiCustomer
from shared.catalog.stripe import ChangedAccount, InStep
from shared.catalog.togai import ChangedCustomer
from shared.claims import now
from shared.errors import NotFound, NotReady, RateLimited, Rejected
from shared.events.envelope import timestamp
from shared.flows.actions import Context, Ended, Result
from shared.identity import Ref, is_own_key
from shared.mappings import Mapping
from shared.pairs import Difference, Known, Side, digest

from customer_sync.fields import (
    Both,
    Decision,
    Different,
    Value,
    carried,
    decide,
    is_archived,
    stripe_params,
    stripe_value,
    togai_changes,
    watched,
)


@dataclass(frozen=True)
class Seen:
    """What the event showed of a side, None where it showed nothing that may be taken for the present state.

    `own_write` names the fields that a write of ours changed, `then` is the Stripe customer as that write left it.
    """

    togai: tuple[TogaiAccount, TogaiCustomer] | None = None
    stripe: StripeCustomer | None = None
    own_write: tuple[str, ...] = ()
    then: StripeCustomer | None = None


async def after_togai(context: Context, changed: ChangedAccount) -> Result:
    """An account, or the customer above it, changed in Togai."""
    if changed.made_equal:
        return Result(InStep(), False)
    pair = _pair(context, context.ref("togai", "account", changed.account_id))
    seen = Seen()
    if context.fresh and changed.account and changed.customer:
        try:
            account = TogaiAccount.model_validate(changed.account)
            seen = Seen(togai=(account, TogaiCustomer.model_validate(changed.customer)))
        except ValidationError:
            seen = Seen()  # a hint that cannot be read is none
    return await _look(context, pair, "togai", seen)


async def after_stripe(context: Context, changed: ChangedCustomer) -> Result:
    """A customer changed in Stripe, or was deleted."""
    if changed.made_equal and changed.unchanged:
        return Result(InStep(), False)
    ref = context.ref("stripe", "customer", changed.customer.id)
    pair = _pair(context, ref)
    if changed.customer.deleted or context.run.event_type.endswith(".deleted"):
        raise await _gone(context, pair, changed.customer.id)
    if changed.changed is not None and not watched(changed.changed, context.settings.synced_metadata):
        raise Ended("in_sync", "nothing that travels was changed", pair.refs)
    own = tuple(changed.changed or ()) if is_own_key(changed.idempotency_key) else ()
    fresh = changed.customer if context.fresh and changed.unchanged is not False else None
    return await _look(context, pair, "stripe", Seen(stripe=fresh, own_write=own, then=changed.customer))


def _pair(context: Context, ref: str) -> Mapping:
    """The link of an entity. Raises NotReady while it is being made, Ended if there is none or a side is gone."""
    for mapping in context.claims.index.naming(ref):
        if mapping.state == "claimed":
            raise NotReady(f"run {mapping.run} is linking {ref}: looking again", code="claimed")
        if mapping.state == "deleted":
            raise Ended("in_sync", f"the pair has a deleted side: {mapping.reason}", mapping.refs)
        return mapping
    raise Ended("skipped", f"{ref} is not linked", (ref,))


async def _gone(context: Context, pair: Mapping, customer: str) -> Ended:
    """Deletion travels as a mark: the account stays active, and no event makes the customer again."""
    await context.claims.mark_deleted(pair, f"{customer} was deleted in Stripe")
    return Ended("succeeded", f"{customer} was deleted in Stripe: the link is marked, the account stays", pair.refs)


async def _look(context: Context, pair: Mapping, side: Side, seen: Seen) -> Result:
    known = context.pairs.known(pair, side)
    both = await _read(context, pair, seen)
    decision = _decide(context, pair, known, both, seen)
    news = decision.writes or _differences(decision, known) != known.differences
    if news and (seen.stripe or seen.togai):
        both = await _read_shown(context, pair, seen, both)
        decision = _decide(context, pair, known, both, seen)
    written = await _write(context, pair, side, known, both, decision) if decision.writes else {}
    await context.pairs.settle(
        pair,
        side,
        context.run.id,
        seen=known,
        agreed=decision.agreed,
        differences=_differences(decision, known),
        written=bool(written),
    )
    output = InStep(
        to_stripe=sorted(written.get("stripe", ())),
        to_togai=sorted(written.get("togai", ())),
        different=[d.field for d in decision.different],
    )
    notes = (*decision.notes, *(f"{d.field} differs: {d.reason}" for d in decision.different))
    return Result(output, bool(written), notes, pair.refs)


def _decide(context: Context, pair: Mapping, known: Known, both: Both, seen: Seen) -> Decision:
    settings = context.settings
    # Our own write is still what stands there: only then does a difference tell that it was a stale one.
    echoed = [n for n in seen.own_write if seen.then and _unchanged(n, seen.then, both.stripe)]
    return decide(both, pair, known, owners=settings.field_owners, metadata=settings.synced_metadata, echoed=echoed)


def _unchanged(name: str, then: StripeCustomer, present: StripeCustomer) -> bool:
    known = name in StripeCustomer.model_fields or name.startswith("metadata.")
    return known and stripe_value(name, then) == stripe_value(name, present)


async def _read(context: Context, pair: Mapping, seen: Seen) -> Both:
    """Both sides: what the event showed is taken, the rest is asked for."""
    account_ref, customer_ref = _sides(pair)
    stripe = seen.stripe or await _stripe_customer(context, pair, Ref.parse(customer_ref).id)
    account, customer = seen.togai or await _togai(context, pair, Ref.parse(account_ref).id)
    parent = context.ref("togai", "customer", account.customer_id)
    return Both(account, customer, stripe, alone=len(context.claims.index.under(parent)) <= 1)


async def _read_shown(context: Context, pair: Mapping, seen: Seen, both: Both) -> Both:
    """The side that the event showed, asked for after all: something is about to be written or shown."""
    account_ref, customer_ref = _sides(pair)
    if seen.stripe:
        return replace(both, stripe=await _stripe_customer(context, pair, Ref.parse(customer_ref).id))
    account, customer = await _togai(context, pair, Ref.parse(account_ref).id)
    return replace(both, account=account, customer=customer)


def _sides(pair: Mapping) -> tuple[str, str]:
    account = next(ref for ref in pair.refs if Ref.parse(ref).app == "togai")
    return account, next(ref for ref in pair.refs if ref != account)


async def _stripe_customer(context: Context, pair: Mapping, customer_id: str) -> StripeCustomer:
    try:
        found = await (await context.stripe()).retrieve_customer(customer_id)
    except NotFound:
        found = StripeCustomer(id=customer_id, deleted=True)
    if found.deleted:
        raise await _gone(context, pair, customer_id)
    return found


async def _togai(context: Context, pair: Mapping, account_id: str) -> tuple[TogaiAccount, TogaiCustomer]:
    client = await context.togai()
    try:
        account = await client.account(account_id)
    except NotFound as error:
        await context.claims.mark_deleted(pair, f"Togai does not know account {account_id} any more")
        raise Ended("succeeded", f"Togai does not know account {account_id} any more", pair.refs) from error
    return account, await client.customer(account.customer_id)


async def _write(
    context: Context, pair: Mapping, side: Side, known: Known, both: Both, decision: Decision
) -> Dict[Side, list[str]]:
    """Announce, then send. Returns the fields that were written, by side."""
    sets = decision.write | {"togai": carried(decision, both, context.settings.synced_metadata)}
    digests = {to: {name: digest(value) for name, value in values.items()} for to, values in sets.items()}
    await context.pairs.begin(pair, side, context.run.id, digests, known)
    try:
        if values := decision.write["stripe"]:
            await _write_stripe(context, pair, both, values)
        if values := decision.write["togai"]:
            await _write_togai(context, pair, both, values)
    except (RateLimited, Rejected, NotReady):
        await context.pairs.withdraw(pair, side, context.run.id)
        raise
    return {to: list(values) for to, values in decision.write.items() if values}


async def _write_stripe(context: Context, pair: Mapping, both: Both, values: Dict[str, Value]) -> None:
    try:
        await (await context.stripe()).update_customer(both.stripe.id, stripe_params(values))
    except NotFound as error:
        raise await _gone(context, pair, both.stripe.id) from error


async def _write_togai(context: Context, pair: Mapping, both: Both, values: Dict[str, Value]) -> None:
    try:
        await _send_togai(context, pair, both, values)
    except Rejected:
        # Active again, it may have been archived for that moment only; a refusal for good comes again.
        await _send_togai(context, pair, both, values)


async def _send_togai(context: Context, pair: Mapping, both: Both, values: Dict[str, Value]) -> None:
    """Raises NotReady if the account was archived since it was looked at: Togai refuses, the next look knows why."""
    client = await context.togai()
    account, customer = togai_changes(values, both)
    try:
        if customer:
            await client.update_customer(both.customer.id, customer)
        if account:
            await client.update_account(both.account.id, account)
    except Rejected as error:
        now_account, now_customer = await _togai(context, pair, both.account.id)
        present = replace(both, account=now_account, customer=now_customer)
        if not is_archived(present):
            raise
        raise NotReady(f"{both.account.id} was archived meanwhile: looking again", code="archived") from error


def _differences(decision: Decision, known: Known) -> dict[str, Difference]:
    return {d.field: _difference(d, known.differences.get(d.field)) for d in decision.different}


def _difference(found: Different, former: Difference | None) -> Difference:
    new = Difference(
        owner=found.owner,
        togai=msgspec.json.encode(found.togai).decode(),
        stripe=msgspec.json.encode(found.stripe).decode(),
        reason=found.reason,
        since=timestamp(now()),
    )
    same = former is not None and msgspec.structs.replace(former, since="") == msgspec.structs.replace(new, since="")
    return former if same and former else new
