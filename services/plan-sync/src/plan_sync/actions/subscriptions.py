"""Subscriptions that are at Stripe already: the plan follows when the period ends, and one of both bills it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, cast

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.customers import CUSTOMER
from shared.domains.plans import PRICE
from shared.domains.plans.subscriptions import (
    BILLED_BY,
    BILLING,
    SUBSCRIBED,
    Biller,
    PlanFollows,
    SubscriptionAttached,
    SubscriptionEnds,
    SubscriptionFacts,
    SubscriptionNamed,
)
from shared.domains.plans.togai import offer_id, sides_of
from shared.errors import Conflict, NotFound, Waiting
from shared.identity import Ref
from shared.linking.dry_run import end_if_dry
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import create

from plan_sync.actions.account_plans import check_beside, plans_of
from plan_sync.actions.schedules import zone_of
from plan_sync.decide import covers, other_plan, period_end, why_not_imported

SUBSCRIPTIONS = "/v1/subscriptions"
Json = dict[str, Any]


async def read(context: Context, wanted: SubscriptionNamed) -> Result:
    """Whose subscription it is, of which plan, and when its period ends. Raises Waiting for one that cannot be
    imported, Ended for one that is gone.
    """
    ref = context.ref("stripe", "subscription", wanted.subscription_id)
    if pair := context.claims_of(SUBSCRIBED.name).index.pair(ref):
        return Result(_known(context, pair), False, ("imported already",), pair.refs)
    client: StripeApp = await context.client("stripe")
    try:
        found = await client.retrieve(SUBSCRIPTIONS, wanted.subscription_id)
    except NotFound as error:
        raise Ended("skipped", error.message, (ref,)) from error
    if reason := why_not_imported(found):
        code, why = reason
        raise Waiting(f"subscription {wanted.subscription_id} {why}", code=code)
    facts = SubscriptionFacts(
        subscription_id=wanted.subscription_id,
        account_id=_account_of(context, found),
        plan_id=_plan_of(context, found),
        since=_day(context, period_end(found)),
    )
    plan, account = (
        context.ref("togai", "price_plan", facts.plan_id),
        context.ref("togai", "account", facts.account_id),
    )
    return Result(facts, False, (), (ref, plan, account))


def _known(context: Context, pair: Mapping) -> SubscriptionFacts:
    offer = next(ref for ref in pair.also if Ref.parse(ref).noun == "offer")
    plan, account = sides_of(context.id_of(offer))
    return SubscriptionFacts(
        subscription_id=context.id_of(pair.source), account_id=account, plan_id=plan, since=_since(pair)
    )


def _day(context: Context, moment: int) -> str:
    """The day of a moment where the organization is: plans begin on its days."""
    return datetime.fromtimestamp(moment, UTC).astimezone(zone_of(context)).date().isoformat()


def _account_of(context: Context, subscription: Json) -> str:
    """Raises Waiting for a customer that is no account."""
    customer = str(subscription["customer"])
    pair = context.claims_of(CUSTOMER.name).index.pair(context.ref("stripe", "customer", customer))
    own = context.account("togai")
    refs = [Ref.parse(ref) for ref in (pair.refs if pair and pair.state == "linked" else ())]
    accounts = [ref.id for ref in refs if (str(ref.account), ref.noun) == (own, "account")]
    if not accounts:
        raise Waiting(f"customer {customer} of {subscription['id']} is linked to no account in Togai", code="unlinked")
    return accounts[0]


def _plan_of(context: Context, subscription: Json) -> str:
    """The one plan of which all its prices are. Raises Waiting where there is none, or several."""
    prices = context.claims_of(PRICE.name).index
    plans: dict[str, str] = {}
    for item in subscription["items"]["data"]:
        price = str(item["price"]["id"])
        pair = prices.pair(context.ref("stripe", "price", price))
        if pair is None or str(Ref.parse(pair.source).account) != context.account("togai"):
            raise Waiting(f"price {price} of {subscription['id']} is that of no plan in Togai", code="unmapped")
        plans[Ref.parse(pair.source).id.partition(":")[0]] = price
    if len(plans) != 1:
        named = ", ".join(f"{price} of {plan}" for plan, price in sorted(plans.items()))
        raise Waiting(f"the prices of {subscription['id']} are those of several plans: {named}", code="two_plans")
    return next(iter(plans))


async def follow(context: Context, wanted: SubscriptionFacts) -> Result:
    """Attach the plan from the end of the period on, and note who bills. Raises Conflict where another plan stands."""
    claims, account = context.claims_of(SUBSCRIBED.name), context.account("togai")
    source = context.ref("stripe", "subscription", wanted.subscription_id)
    if pair := claims.index.pair(source):
        return await _choose(context, pair, wanted)
    client: TogaiApp = await context.client("togai")
    plans, resumed = plans_of(context, client, wanted.account_id), claims.index.open_claim(source) is not None
    if other := other_plan(await plans.read(), wanted.plan_id, wanted.since):
        raise Conflict(
            f"account {wanted.account_id} has {other}, and {wanted.subscription_id} is one of {wanted.plan_id}",
            code="other_plan",
        )
    offer = context.ref("togai", "offer", offer_id(wanted.plan_id, wanted.account_id))
    if twins := [pair for pair in claims.index.under(offer) if pair.source != source]:
        why = (
            f"subscription {Ref.parse(twins[0].source).id} of account {wanted.account_id} was imported as the same plan"
        )
        raise Conflict(why, code="twin")
    if not resumed:
        await plans.check_free()
    held = await claims.claim(
        source,
        action="togai.price_plan.follow_subscription",
        app_account=account,
        body=wanted.model_dump() | plans.noted(date.fromisoformat(wanted.since)),
        run=context.run.id,
        match=claims.match(offer),
    )
    if held.state != "claimed":
        return await _choose(context, held, wanted)
    attaching = plans.attaching(wanted.plan_id, date.fromisoformat(wanted.since), held, resumed=resumed)
    schedule, how = await create(claims, held, account, attaching)
    billing = _chosen(context) or "stripe"
    target = context.ref("togai", "schedule", str(schedule["id"]))
    plan = context.ref("togai", "price_plan", wanted.plan_id)
    also = (context.ref("togai", "account", wanted.account_id), offer, plan)
    since = max(str(schedule["startDate"])[:10], wanted.since)
    pair = await claims.link(held, target, "created", also=also, reason=_reason(billing, since))
    check_beside(plans, wanted.account_id, wanted.plan_id)
    return Result(_attached(context, pair, wanted), True, (how, pair.reason), (*pair.refs, *also))


def _chosen(context: Context) -> Biller | None:
    """Who is to bill, as the import was asked; None where it does not say."""
    return cast(Biller | None, context.choices.get(BILLING.name))


def _reason(billing: Biller, since: str) -> str:
    return f"{BILLED_BY[billing]}: {since}"


def _since(pair: Mapping) -> str:
    return pair.reason.rpartition(": ")[2]


def billed_by_togai(pair: Mapping) -> bool:
    """Whether Togai is to bill what an imported subscription billed."""
    return pair.reason.startswith(BILLED_BY["togai"])


async def _choose(context: Context, pair: Mapping, wanted: SubscriptionFacts) -> Result:
    """Nothing more is made of an imported one; a person may choose again who bills."""
    reason = _reason(_chosen(context) or ("togai" if billed_by_togai(pair) else "stripe"), _since(pair))
    changed = pair.state == "linked" and reason != pair.reason
    if changed:
        claims = context.claims_of(SUBSCRIBED.name)
        pair = await claims.link(pair, pair.target, "created", also=tuple(pair.also), reason=reason)
    return Result(_attached(context, pair, wanted), changed, (pair.reason,), (*pair.refs, *pair.also))


def _attached(context: Context, pair: Mapping, wanted: SubscriptionFacts) -> SubscriptionAttached:
    return SubscriptionAttached(
        schedule_id=context.id_of(pair.target),
        account_id=wanted.account_id,
        plan_id=wanted.plan_id,
        since=_since(pair),
        billing="togai" if billed_by_togai(pair) else "stripe",
    )


async def follows(context: Context, wanted: SubscriptionNamed) -> Result:
    """From when on Togai bills it. Raises Ended for one that Stripe bills on, Waiting where the plan is gone."""
    ref = context.ref("stripe", "subscription", wanted.subscription_id)
    pair = context.claims_of(SUBSCRIBED.name).index.pair(ref)
    if pair is None or pair.state != "linked":
        raise Ended("skipped", f"subscription {wanted.subscription_id} was not imported: Stripe bills it on", (ref,))
    if not billed_by_togai(pair):
        why = f"subscription {wanted.subscription_id} was imported so that Stripe bills it on"
        raise Ended("skipped", why, pair.refs)
    known = _known(context, pair)
    client: TogaiApp = await context.client("togai")
    schedules = await plans_of(context, client, known.account_id).read()
    if not any(one.get("pricePlanId") == known.plan_id and covers(one, known.since) for one in schedules):
        why = f"account {known.account_id} does not have price plan {known.plan_id} from {known.since} on any more"
        raise Waiting(f"{why}: nobody would bill it if {wanted.subscription_id} ended", code="no_schedule")
    return Result(PlanFollows(subscription_id=wanted.subscription_id, since=known.since), False, (), pair.refs)


async def end_with_period(context: Context, wanted: PlanFollows) -> Result:
    """Let it end when its plan begins. Raises Waiting for one whose present period ends later: both would bill it."""
    client: StripeApp = await context.client("stripe")
    ref = context.ref("stripe", "subscription", wanted.subscription_id)
    found = await client.retrieve(SUBSCRIPTIONS, wanted.subscription_id)
    if found.get("ended_at") or found.get("cancel_at_period_end"):
        ends = int(found.get("ended_at") or found.get("cancel_at") or period_end(found))
        return Result(SubscriptionEnds(ends_at=ends), False, ("it ends already",), (ref,))
    last = _day(context, period_end(found))
    if last > wanted.since:
        raise Waiting(
            f"subscription {wanted.subscription_id} was renewed: it is paid until {last}, and Togai bills from "
            f"{wanted.since} on",
            code="renewed",
        )
    end_if_dry("new", f"it would end on {last}, when Togai begins to bill", ref)
    ended = await client.update(SUBSCRIPTIONS, wanted.subscription_id, {"cancel_at_period_end": "true"})
    ends = int(ended.get("cancel_at") or period_end(found))
    return Result(SubscriptionEnds(ends_at=ends), True, (f"it ends on {last}",), (ref,))
