"""A linked pair is looked at from either side: both are read, and where the owner of a field changed it, it is written.

The event's own snapshot saves a read as long as nothing is to be written or shown anew: if it is stale, a later event
follows. What is written is decided on what both sides said just before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import ValidationError
from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai.models import TogaiAccount, TogaiCustomer
from shared.domains.customers.stripe import ChangedAccount, FieldsSynced
from shared.domains.customers.togai import ChangedCustomer
from shared.errors import NotReady
from shared.events.envelope import timestamp
from shared.linking.claims import now
from shared.linking.mappings import Mapping
from shared.linking.pairs import Known, Side
from shared.runtime.actions import Context, Ended, Result

from customer_sync.actions.field_writes import (
    Look,
    gone,
    read_pair,
    said,
    sides,
    stripe_customer,
    togai_account,
    write,
)
from customer_sync.actions.pairs import create_again, end_if_of_others
from customer_sync.decide import TOGAI_ACCOUNT_ID
from customer_sync.fields import Decision, decide, differences, may_fit_now, watched
from customer_sync.values import METADATA, PairSnapshot


@dataclass(frozen=True)
class Shown:
    """What the event showed of a side, None where it showed nothing that may be taken for the present state."""

    togai: tuple[TogaiAccount, TogaiCustomer] | None = None
    stripe: StripeCustomer | None = None


async def after_togai(context: Context, changed: ChangedAccount) -> Result:
    """An account, or the customer above it, changed in Togai."""
    if changed.made_equal:
        return Result(FieldsSynced(), False)
    pair = _pair(context, context.ref("togai", "account", changed.account_id))
    shown = Shown()
    if context.shows_present and changed.account and changed.customer:
        try:
            account = TogaiAccount.model_validate(changed.account)
            shown = Shown(togai=(account, TogaiCustomer.model_validate(changed.customer)))
        except ValidationError:
            shown = Shown()  # a hint that cannot be read is none
    return await _look(context, pair, "togai", shown)


async def after_stripe(context: Context, changed: ChangedCustomer) -> Result:
    """A customer changed in Stripe, or was deleted."""
    if changed.made_equal and changed.unchanged:
        return Result(FieldsSynced(), False)
    ref = context.ref("stripe", "customer", changed.customer.id)
    await _end_if_named_now(context, ref, changed)
    pair = _pair(context, ref)
    if changed.customer.deleted or context.run.event_type.endswith(".deleted"):
        raise await gone(context, pair, changed.customer.id)
    if changed.changed is not None and not _concerns(context, pair, changed.changed):
        raise Ended("in_sync", "nothing that travels was changed", pair.refs)
    fresh = changed.customer if context.shows_present and changed.unchanged is not False else None
    return await _look(context, pair, "stripe", Shown(stripe=fresh))


async def _end_if_named_now(context: Context, ref: str, changed: ChangedCustomer) -> None:
    """Raises Ended if a person has just named an account in the metadata of a customer that is not linked: its creation
    is looked at once more, for its run has ended, or was missed.
    """
    named = changed.customer.metadata.get(TOGAI_ACCOUNT_ID)
    wrote = not {"metadata", f"{METADATA}{TOGAI_ACCOUNT_ID}"}.isdisjoint(changed.changed or ())
    if named and wrote and not context.claims.index.holders_of(ref):
        await create_again(context, ref)
        raise Ended("succeeded", f"its metadata name account {named} now: its creation is looked at again", (ref,))


def _concerns(context: Context, pair: Mapping, changed: list[str]) -> bool:
    """Whether an update that changed these fields asks for a look."""
    return watched(changed, context.settings.synced_metadata) or may_fit_now(changed, context.pairs.differences(pair))


def _pair(context: Context, ref: str) -> Mapping:
    """The link of an entity. Raises NotReady while it is being made, Ended if there is none or a side is gone."""
    for mapping in context.claims.index.holders_of(ref):
        if mapping.state == "claimed":
            raise NotReady(f"run {mapping.run} is linking {ref}: looking again", code="claimed")
        end_if_of_others(context, mapping)
        if mapping.state == "deleted":
            raise Ended("in_sync", f"the pair has a deleted side: {mapping.reason}", mapping.refs)
        return mapping
    raise Ended("skipped", f"{ref} is not linked", (ref,))


async def _look(context: Context, pair: Mapping, side: Side, shown: Shown) -> Result:
    at = timestamp(now())
    known = context.pairs.known(pair, side)
    seen = await read_pair(context, pair, togai=shown.togai, stripe=shown.stripe)
    decision = _decide(context, pair, known, seen)
    news = decision.writes or differences(decision, known, at) != known.differences
    if news and (shown.stripe or shown.togai):
        seen = await _read_shown(context, pair, shown, seen)
        decision = _decide(context, pair, known, seen)
    look = Look(context, pair, side, known, seen, decision)
    writes = await write(look) if decision.writes else None
    await context.pairs.commit(
        pair,
        side,
        context.run.id,
        seen=known,
        agreed=decision.agreed,
        differences=differences(decision, known, at),
        written=writes is not None,
    )
    output = FieldsSynced(
        to_stripe=sorted(decision.write["stripe"]),
        to_togai=sorted(decision.write["togai"]),
        different=[d.field for d in decision.different],
        writes=writes or [],
    )
    notes = (
        *decision.notes,
        *(said(made) for made in writes or ()),
        *(f"{d.field} differs: {d.reason}" for d in decision.different),
    )
    return Result(output, bool(writes), notes, pair.refs)


def _decide(context: Context, pair: Mapping, known: Known, seen: PairSnapshot) -> Decision:
    settings = context.settings
    return decide(seen, pair, known, owners=settings.field_owners, metadata=settings.synced_metadata)


async def _read_shown(context: Context, pair: Mapping, shown: Shown, seen: PairSnapshot) -> PairSnapshot:
    """The side that the event showed, asked for after all: something is about to be written or shown."""
    account_ref, customer_ref = sides(pair)
    if shown.stripe:
        return replace(seen, stripe=await stripe_customer(context, pair, context.id_of(customer_ref)))
    account, customer = await togai_account(context, pair, context.id_of(account_ref))
    return replace(seen, account=account, customer=customer)
