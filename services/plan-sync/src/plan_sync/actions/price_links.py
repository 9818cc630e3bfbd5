"""Prices that were at Stripe before: a person says of which plan they are. Nothing is written at either vendor."""

from __future__ import annotations

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.plans import PRICE
from shared.domains.plans.by_hand import PriceLinkChange, PriceLinkChanged
from shared.errors import Malformed, NotFound, NotReady
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Ended, Result

from plan_sync.actions import versions
from plan_sync.actions.products import PRICES


async def change_link(context: Context, wanted: PriceLinkChange) -> Result:
    """Do what a person asked for. Raises Ended where nothing is left to do, and where another link was asked."""
    if wanted.flow_link not in ("", context.link.id):
        raise Ended("skipped", f"flow link {wanted.flow_link} was asked to do it")
    if wanted.change in ("separate", "revert"):
        raise Ended("skipped", f"there is nothing to {wanted.change} of a price")
    refs = [context.ref("togai", "rate_card", wanted.rate_card)] if wanted.rate_card else []
    refs += [context.ref("stripe", "price", wanted.price_id)] if wanted.price_id else []
    if wanted.change == "unlink":
        raise await _unlink(context, refs, wanted.reason)
    if len(refs) != 2:
        raise Malformed(f"to {wanted.change}, name the rate card and the price")
    card, price = refs
    plan = wanted.rate_card.partition(":")[0]
    await _both_there(context, plan, wanted.price_id)
    pair = await _free(context, wanted, card, price)
    claims = context.claims_of(PRICE.name)
    if pair is None:
        held = await claims.claim(
            card,
            action="stripe.price.change_link",
            app_account=context.account("stripe"),
            body={},
            run=context.run.id,
            target=price,
        )
        also = (context.ref("togai", "price_plan", plan),)
        pair = await claims.link(held, price, "manual", also=also, reason=wanted.reason)
    await claims.allow(pair, f"linked again by hand: {wanted.reason}")
    done = PriceLinkChanged(mapping=pair.id, plan_id=plan, price_id=wanted.price_id)
    refs.append(context.ref("togai", "price_plan", plan))
    return Result(done, True, (f"linked by hand: {wanted.reason}",), tuple(refs))


async def _both_there(context: Context, plan: str, price: str) -> None:
    """Raises Ended for what its vendor does not know, and for a price that asks once: no subscription has it."""
    togai: TogaiApp = await context.client("togai")
    stripe: StripeApp = await context.client("stripe")
    try:
        await versions.present(context, togai, plan)
        found = await stripe.retrieve(PRICES, price)
    except NotFound as error:
        raise Ended("skipped", f"nothing was linked: {error.message}") from error
    if not found.get("recurring"):
        raise Ended("skipped", f"nothing was linked: {price} is paid once, so no subscription asks for it")


async def _free(context: Context, wanted: PriceLinkChange, card: str, price: str) -> Mapping | None:
    """Take back what holds either side, if asked to relink. Returns the pair if it stands already."""
    claims = context.claims_of(PRICE.name)
    for mapping in {m.id: m for ref in (card, price) for m in claims.index.holders_of(ref)}.values():
        if mapping.state == "claimed" and mapping.run == context.run.id:
            continue  # our own, from an earlier try
        if mapping.state == "claimed":
            raise NotReady(f"run {mapping.run} is about to link {mapping.source}: looking again", code="claimed")
        if set(mapping.refs) == {card, price} and mapping.state == "linked":
            return mapping
        if wanted.change == "link":
            raise Ended("skipped", f"{mapping.id} links {' and '.join(mapping.refs)} already: relink or unlink it")
        await _take_back(context, mapping, wanted.reason)
    return None


async def _unlink(context: Context, refs: list[str], reason: str) -> Ended:
    claims = context.claims_of(PRICE.name)
    found = {pair.id: pair for ref in refs if (pair := claims.index.pair(ref))}
    if not found:
        return Ended("in_sync", "nothing is linked there", tuple(refs))
    for pair in found.values():
        await _take_back(context, pair, reason)
    return Ended("succeeded", f"unlinked by hand: {reason}", tuple(ref for pair in found.values() for ref in pair.refs))


async def _take_back(context: Context, pair: Mapping, reason: str) -> None:
    """Raises Ended for what Tandem made itself: the price is asked for in its name."""
    if pair.is_made:
        raise Ended("skipped", f"{pair.id} stays: Tandem made {pair.target} of that rate card", pair.refs)
    await context.claims_of(PRICE.name).unlink(pair, context.run.id, reason)
