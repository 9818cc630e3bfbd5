"""Links changed by hand: linked, unlinked, relinked, or declared to match none, each with a reason.

The ids at the vendors follow the link, and what waited for the decision goes on at once.
"""

from __future__ import annotations

from shared.apps.stripe.client import StripeApp
from shared.apps.stripe.models import TOGAI_ACCOUNT_ID
from shared.apps.togai.client import TogaiApp
from shared.apps.togai.models import TogaiAccount
from shared.domains.customers.stripe import LinkChange, LinkChanged
from shared.errors import Malformed, NotFound, NotReady
from shared.flows.recheck import recheck_requested
from shared.identity import Ref
from shared.linking.claims import now
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Ended, Result

from customer_sync.actions.pairs import create_again, end_if_of_others, is_unlinked
from customer_sync.actions.revert import revert
from customer_sync.actions.togai_settings import ACCOUNT
from customer_sync.decide import TOGAI_CUSTOMER_ID


async def change_link(context: Context, wanted: LinkChange) -> Result:
    """Do what a person asked for. Raises Ended where nothing is left to compare, and where another link was asked."""
    if wanted.flow_link not in ("", context.link.id):
        raise Ended("skipped", f"flow link {wanted.flow_link} was asked to do it")
    if wanted.change == "separate":
        raise await _separate(context, wanted)
    if wanted.change == "revert":
        return await revert(context, wanted)
    if wanted.change == "unlink":
        raise await _unlink(context, wanted)
    if not wanted.togai_account_id or not wanted.stripe_customer_id:
        raise Malformed(f"to {wanted.change}, name the Togai account and the Stripe customer")
    account_ref = context.ref("togai", "account", wanted.togai_account_id)
    stripe_ref = context.ref("stripe", "customer", wanted.stripe_customer_id)
    account = await _both_there(context, wanted)
    pair = await _free(context, wanted, account_ref, stripe_ref)
    customer_ref = context.ref("togai", "customer", account.customer_id)
    if pair is None:
        held = await context.claims.claim(
            account_ref,
            action="stripe.customer.change_link",
            app_account=context.account("stripe"),
            body={},
            run=context.run.id,
            target=stripe_ref,
        )
        pair = await context.claims.link(held, stripe_ref, "manual", also=(customer_ref,), reason=wanted.reason)
    await context.claims.allow(pair, f"linked again by hand: {wanted.reason}")
    await _write_ids(context, account.id, account.customer_id, wanted.stripe_customer_id)
    await _wake(context, account_ref, stripe_ref)
    output = LinkChanged(mapping=pair.id, togai_account_id=account.id, stripe_customer_id=wanted.stripe_customer_id)
    return Result(output, True, (f"linked by hand: {wanted.reason}",), (account_ref, stripe_ref, customer_ref))


async def _both_there(context: Context, wanted: LinkChange) -> TogaiAccount:
    """Raises Ended if either is unknown to its vendor or deleted: a link to nothing helps nobody."""
    try:
        stripe: StripeApp = await context.client("stripe")
        customer = await stripe.retrieve_customer(wanted.stripe_customer_id)
        if customer.deleted:
            raise Ended("skipped", f"{customer.id} was deleted in Stripe: nothing can be linked to it")
        togai: TogaiApp = await context.client("togai")
        return await togai.account(wanted.togai_account_id)
    except NotFound as error:
        raise Ended("skipped", f"nothing was linked: {error.message}") from error


async def _free(context: Context, wanted: LinkChange, account_ref: str, stripe_ref: str) -> Mapping | None:
    """Take back what holds either side, if asked to relink. Returns the pair if it stands already."""
    held = {m.id: m for ref in (account_ref, stripe_ref) for m in context.claims.index.holders_of(ref)}
    for mapping in held.values():
        if mapping.state == "claimed" and mapping.run == context.run.id:
            continue  # our own, from an earlier try
        if mapping.state == "claimed":
            raise NotReady(f"run {mapping.run} is about to link {mapping.source}: looking again", code="claimed")
        if set(mapping.refs) == {account_ref, stripe_ref} and mapping.state == "linked":
            return mapping
        if wanted.change == "link":
            raise Ended("skipped", f"{mapping.id} links {' and '.join(mapping.refs)} already: relink or unlink it")
        end_if_of_others(context, mapping)
        await _take_back(context, mapping, wanted.reason, keep=(account_ref, stripe_ref))
    return None


async def _unlink(context: Context, wanted: LinkChange) -> Ended:
    refs = [context.ref("togai", "account", i) for i in [wanted.togai_account_id] if i]
    refs += [context.ref("stripe", "customer", i) for i in [wanted.stripe_customer_id] if i]
    found = {pair.id: pair for ref in refs if (pair := context.claims.index.pair(ref))}
    pairs = {name: pair for name, pair in found.items() if context.is_own(pair.refs)}
    if not pairs:
        return Ended("in_sync", "nothing is linked there", tuple(refs))
    for pair in pairs.values():
        await _take_back(context, pair, wanted.reason)
        await _wake(context, *pair.refs)
    return Ended("succeeded", f"unlinked by hand: {wanted.reason}", tuple(r for p in pairs.values() for r in p.refs))


async def _separate(context: Context, wanted: LinkChange) -> Ended:
    ref = (
        context.ref("togai", "account", wanted.togai_account_id)
        if wanted.togai_account_id
        else context.ref("stripe", "customer", wanted.stripe_customer_id)
    )
    if pair := context.claims.index.pair(ref):
        return Ended("skipped", f"{ref} is linked already ({pair.id}): unlink it first", pair.refs)
    if held := context.claims.index.open_claim(ref):
        raise NotReady(f"run {held.run} is about to link {ref}: looking again", code="claimed")
    unlinked = is_unlinked(context, ref)
    other = "stripe" if wanted.togai_account_id else "togai"
    await context.claims.separate(ref, context.account(other), context.run.id, wanted.reason)
    if unlinked:
        await create_again(context, ref)
    await _wake(context, ref)
    reason = f"matches none that is there, by hand: {wanted.reason}"
    if off := _makers_off(context, ref):
        reason += (
            f"; its other side is not made while {' and '.join(off)} is off: `tandem flow-links enable {off[0]}`, then "
            f"`tandem flow-links catch-up {off[0]}`"
        )
    return Ended("succeeded", reason, (ref,))


def _makers_off(context: Context, ref: str) -> list[str]:
    """The flow links between these connections that would make an entity's other side, if none of them is on."""
    app = Ref.parse(ref).app
    makers = [
        link
        for link in context.registry.links.values()
        if (flow := context.registry.flows.get(link.flow)) and flow.makes and flow.trigger.startswith(f"{app}.")
        if link.connections == context.link.connections
        if flow.makes == context.claims.index.relation
    ]
    return [] if any(link.enabled for link in makers) else [link.id for link in makers]


async def _take_back(context: Context, pair: Mapping, reason: str, keep: tuple[str, ...] = ()) -> None:
    """The ids at the vendors first: whoever reads them must not find a link that we have taken back."""
    for ref in pair.refs:
        if ref in keep:
            continue  # it gets its new partner's id in a moment
        entity = context.id_of(ref)
        try:
            if Ref.parse(ref).app == "stripe":
                empty = {"metadata": {TOGAI_CUSTOMER_ID: "", TOGAI_ACCOUNT_ID: ""}}
                client: StripeApp = await context.client("stripe")
                await client.update_customer(entity, empty)
            else:
                await _write_setting(context, entity, "")
        except NotFound:
            continue  # gone at the vendor: that is why it is unlinked
    await context.claims.unlink(pair, context.run.id, reason)


async def _write_ids(context: Context, account_id: str, customer_id: str, stripe_customer_id: str) -> None:
    metadata = {TOGAI_CUSTOMER_ID: customer_id, TOGAI_ACCOUNT_ID: account_id}
    client: StripeApp = await context.client("stripe")
    await client.update_customer(stripe_customer_id, {"metadata": metadata})
    await _write_setting(context, account_id, stripe_customer_id)


async def _write_setting(context: Context, account_id: str, value: str) -> None:
    client: TogaiApp = await context.client("togai")
    await client.set_setting(context.settings.stripe_customer_setting, value, ACCOUNT, account_id)


async def _wake(context: Context, *refs: str) -> None:
    """Let what waits for this decision go on: an event of an aggregate wakes its parked runs."""
    for ref in refs:
        event_id = f"{context.run.event}-{Ref.parse(ref).app}"
        recheck = recheck_requested(ref, event_id, context.run.connection, now(), cause=context.run.id)
        await context.send_event(context.topics.events("customer"), recheck)
