"""A change of an account or of a customer lets their pair be looked at: what is written follows from both sides."""

from __future__ import annotations

from pydantic import ValidationError
from shared.apps.stripe.models import TOGAI_ACCOUNT_ID, StripeCustomer
from shared.apps.togai.models import TogaiAccount, TogaiCustomer
from shared.domains.customers.stripe import ChangedAccount, FieldsSynced
from shared.domains.customers.togai import ChangedCustomer
from shared.errors import NotReady
from shared.identity import Ref
from shared.linking.mappings import Mapping
from shared.linking.pairs import CLOCKS_APART, Side
from shared.polls import epoch
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.sync_fields import sync_fields

from customer_sync.actions.field_writes import CustomerPair, Shown, gone
from customer_sync.actions.pairs import create_again, end_if_of_others
from customer_sync.fields import may_fit_now, watched
from customer_sync.values import METADATA


async def after_togai(context: Context, changed: ChangedAccount) -> Result:
    """An account, or the customer above it, changed in Togai."""
    if changed.made_equal:
        return Result(FieldsSynced(), False)
    pair = _pair(context, context.ref("togai", "account", changed.account_id))
    shown = Shown()
    if context.shows_present and changed.account and changed.customer:
        try:
            account = TogaiAccount.model_validate(changed.account)
            # A webhook tells when it came, not when Togai looked.
            at = epoch(context.run.event_at) if context.run.origin == "poll" else 0.0
            shown = Shown(at, togai=(account, TogaiCustomer.model_validate(changed.customer)))
        except ValidationError:
            shown = Shown()  # a hint that cannot be read is none
    return await _compare(context, pair, "togai", shown)


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
        raise Ended("in_sync", _no_news(pair, changed.customer), pair.refs)
    if context.run.origin == "backfill" and (found := context.just_read.get(ref)):
        # Who is linked already: what changed at the other side its own events tell. A replay looks at both.
        return await _compare(context, pair, "stripe", Shown(stripe=found))
    snapshot = changed.customer if context.shows_present and changed.unchanged is not False else None
    return await _compare(context, pair, "stripe", Shown(epoch(context.run.event_at), stripe=snapshot))


async def _end_if_named_now(context: Context, ref: str, changed: ChangedCustomer) -> None:
    """Raises Ended if a person has just named an account in the metadata of a customer that is not linked: its creation
    is looked at once more, for its run has ended, or was missed.
    """
    named = changed.customer.metadata.get(TOGAI_ACCOUNT_ID)
    wrote = not {"metadata", f"{METADATA}{TOGAI_ACCOUNT_ID}"}.isdisjoint(changed.changed or ())
    if named and wrote and not context.claims.index.holders_of(ref):
        await create_again(context, ref)
        raise Ended("succeeded", f"its metadata name account {named} now: its creation is looked at again", (ref,))


def _no_news(pair: Mapping, customer: StripeCustomer) -> str:
    """Why an update of a linked customer asks for nothing."""
    named = customer.metadata.get(TOGAI_ACCOUNT_ID)
    linked = next(found.id for ref in pair.refs if (found := Ref.parse(ref)).app == "togai")
    if named in (None, "", linked):
        return "nothing that travels was changed"
    return (
        f"its metadata name account {named}, and it stays linked to {linked}: correct the metadata, or move the link "
        f"with `tandem mappings relink {pair.id}`"
    )


def _concerns(context: Context, pair: Mapping, changed: list[str]) -> bool:
    """Whether an update that changed these fields asks for a comparison."""
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


async def _compare(context: Context, pair: Mapping, side: Side, shown: Shown) -> Result:
    known = context.pairs.known(pair, side)
    if (content := shown.content(context.settings)) and known.is_as_seen(side, content):
        if shown.at:
            await context.pairs.saw(pair, side, shown.at + CLOCKS_APART)
        raise Ended("in_sync", "as the last comparison of the pair left it", pair.refs)
    found = await sync_fields(context, pair, side, await CustomerPair.read(context, pair, known, shown))
    decision = found.decision
    output = FieldsSynced(
        to_stripe=sorted(decision.write["stripe"]),
        to_togai=sorted(decision.write["togai"]),
        different=[d.field for d in decision.different],
        writes=found.writes,
    )
    return Result(output, bool(found.writes), found.notes, pair.refs)
