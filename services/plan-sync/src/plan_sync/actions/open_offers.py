"""Offers of a plan whose payment links are open: a new version of the plan makes them again, at what it costs now, and
an archived plan closes them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from shared.apps.stripe.client import StripeApp
from shared.connections import FlowLink
from shared.domains.plans import OFFER
from shared.domains.plans.archived import OffersClosed
from shared.domains.plans.flows import ATTACHED_TO_LINK, FAILED_TO_LINK, PLAN_TO_LINK
from shared.domains.plans.stripe import ORGANIZATION, PLAN, VERSION
from shared.domains.plans.togai import Offer, PlanNamed, sides_of
from shared.errors import NotFound
from shared.events.envelope import Envelope, timestamp
from shared.identity import CONSOLE_SOURCE, Ref
from shared.runtime.actions import Context, Ended, Result

from plan_sync.actions import sessions, versions
from plan_sync.actions.payment_links import LINKS

OFFERING = (PLAN_TO_LINK.id, ATTACHED_TO_LINK.id, FAILED_TO_LINK.id)
"""Flows that make payment links."""


async def open_links(context: Context, client: StripeApp, plan: str) -> AsyncIterator[tuple[dict[str, Any], str]]:
    """The open links that Tandem made for offers of a plan, each with its offer. Those of people are theirs."""
    offers = context.claims_of(OFFER.name).index
    async for link in client.listed(LINKS, {"active": "true"}):
        metadata = link.get("metadata") or {}
        if (metadata.get(PLAN), metadata.get(ORGANIZATION)) != (plan, context.account("togai")):
            continue
        for pair in offers.holders_of(context.ref("stripe", "payment_link", str(link["id"]))):
            yield link, next(ref for ref in pair.also if Ref.parse(ref).noun == "offer")


async def close_offers(context: Context, client: StripeApp, plan: str) -> tuple[list[str], list[str]]:
    """Close every open link and session of ours that sells a plan; which, and a sentence for each visit that ended."""
    closed, notes = [], []
    async for link, _ in open_links(context, client, plan):
        _, said = await sessions.close_link(client, str(link["id"]), "the plan was archived in Togai")
        closed.append(str(link["id"]))
        notes += said
    return closed + await sessions.expire_of_plan(context, client, plan), notes


async def close_of_archived_plan(context: Context, plan: PlanNamed) -> Result:
    """What flows of offers made, whoever switched the catalog's on or off. Raises Ended for a plan that is sold still,
    for one of which nothing was offered, and where no flow that makes offers is on: off means off.
    """
    ref = context.ref("togai", "price_plan", plan.plan_id)
    pairs, here = context.claims_of(OFFER.name).index.under(ref), context.account("stripe")
    if not any(str(Ref.parse(pair.target).account) == here for pair in pairs):
        raise Ended("skipped", f"nothing of price plan {plan.plan_id} is offered in Stripe", (ref,))
    if not _flow_link(context, *OFFERING):
        why = f"price plan {plan.plan_id} was offered, and every flow that makes offers is off: they stay as they are"
        raise Ended("skipped", why, (ref,))
    try:
        found = await versions.present(context, await context.client("togai"), plan.plan_id)
    except NotFound as error:
        raise Ended("skipped", error.message, (ref,)) from error
    if found.status != versions.ARCHIVED:
        raise Ended("skipped", f"price plan {plan.plan_id} is {found.status}: its offers stay", (ref,))
    closed, notes = await close_offers(context, await context.client("stripe"), plan.plan_id)
    return Result(OffersClosed(closed=closed), bool(closed), tuple(notes), (ref,))


async def offer_again(context: Context, client: StripeApp, plan: str, version: int) -> list[str]:
    """Send the requests for the open offers of earlier versions once more: their links are replaced. Returns what was
    done, a sentence each.
    """
    said = []
    async for link, offer in open_links(context, client, plan):
        number = str((link.get("metadata") or {}).get(VERSION) or "")
        if not number.isdecimal() or int(number) >= version:
            continue
        account = sides_of(Ref.parse(offer).id)[1]
        if by := _flow_link(context, PLAN_TO_LINK.id):
            await context.send_event(context.topics.replay(context.domain.noun), _request(context, offer, by))
            said.append(f"the offer to {account} is made again, for {link['id']} sells version {number}")
        else:
            said.append(f"{link['id']} sells version {number} to {account}: offer the plan again")
    return said


def _flow_link(context: Context, *flows: str) -> FlowLink | None:
    """One of some flows for these accounts; None where none is on."""
    own = {app: context.account(app) for app in ("stripe", "togai")}
    for link in context.registry.links.values():
        known = {app: context.registry.connections.get(name) for app, name in link.connections.items()}
        at = {app: connection.app_account for app, connection in known.items() if connection}
        if link.flow in flows and link.enabled and at == own:
            return link
    return None


def _request(context: Context, offer: str, by: FlowLink) -> Envelope:
    """What a person asked for, once more."""
    ref = Ref.parse(offer)
    plan, account = sides_of(ref.id)
    return Envelope(
        id=f"{context.run.event}-{ref.id}",
        source=CONSOLE_SOURCE,
        type=PLAN_TO_LINK.trigger,
        subject=ref.id,
        time=timestamp(datetime.now(UTC)),
        appaccount=str(ref.account),
        connection=by.connections["togai"],
        aggregate=offer,
        data=msgspec.Raw(Offer(plan_id=plan, account_id=account, flow_link=by.id).model_dump_json().encode()),
        origin="replay",
        cause=context.run.id,
        flowlink=by.id,
    )
